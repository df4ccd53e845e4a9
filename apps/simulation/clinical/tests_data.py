"""The tests of the catalogue: laboratory, and what is recorded at the bedside."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A test: `usual` is a text, or empty where a number within the reference range is usual."""

    name: str
    group: str
    unit: str
    reference: str
    synonyms: str
    usual: str = ""
    kind: str = "lab_result"


BLOOD, CHEMISTRY, HORMONES, CLOTTING = "Haematology", "Chemistry", "Hormones", "Clotting"
INFECTION, URINE, CULTURES, OTHER, TRACES = "Infection", "Urine", "Cultures", "Other", "Recordings"

TESTS: tuple[Entry, ...] = (
    Entry("Haemoglobin", BLOOD, "g/dL", "12.0-16.5", "hb, hgb, hemoglobine, hämoglobin"),
    Entry(
        "White blood cells",
        BLOOD,
        "10^9/L",
        "4.0-11.0",
        "wbc, wcc, white cell count, white count, whites, white cells, leukocytes, leucocyte count, leukozyten, tlc,"
        " leucocytes, globules blancs, wbc count, white blood cell count, white blood count",
    ),
    Entry("Platelets", BLOOD, "10^9/L", "150-400", "plt, plts, thrombocytes, platelet count, thrombozyten, plaquettes"),
    Entry("Haematocrit", BLOOD, "%", "36-50", "hct, hkt, packed cell volume, pcv"),
    Entry("Red blood cells", BLOOD, "10^12/L", "3.9-5.6", "rbc, red cell count, erythrocytes, erythrozyten"),
    Entry("Mean cell volume", BLOOD, "fL", "80-98", "mcv, mean corpuscular volume"),
    Entry("Neutrophils", BLOOD, "10^9/L", "2.0-7.5", "neuts, neutrophil count, anc, granulocytes, differential"),
    Entry("Lymphocytes", BLOOD, "10^9/L", "1.0-4.0", "lymphs, lymphocyte count"),
    Entry("Eosinophils", BLOOD, "10^9/L", "0.0-0.5", "eos, eosinophil count"),
    Entry("Reticulocytes", BLOOD, "%", "0.5-2.5", "retics, reticulocyte count"),
    Entry("Blood film", BLOOD, "", "", "peripheral smear, blood smear, film", "Normal cells, no blasts"),
    Entry("Erythrocyte sedimentation rate", INFECTION, "mm/h", "0-20", "esr, sed rate, bsg, sedimentation rate, vs"),
    Entry(
        "C-reactive protein",
        INFECTION,
        "mg/L",
        "0-5",
        "crp, c reaktives protein, proteine c reactive, protein c reactive, c-reaktives eiweiss, hs crp, hscrp,"
        " creactive protein, c reactive, crp level",
    ),
    Entry("Procalcitonin", INFECTION, "ng/mL", "0-0.05", "pct"),
    Entry("Lactate", CHEMISTRY, "mmol/L", "0.5-2.0", "lactic acid, laktat"),
    Entry("Sodium", CHEMISTRY, "mmol/L", "135-145", "na, na+, natrium"),
    Entry("Potassium", CHEMISTRY, "mmol/L", "3.5-5.0", "k, k+, kalium"),
    Entry("Chloride", CHEMISTRY, "mmol/L", "98-107", "cl, cl-, chlorid"),
    Entry("Bicarbonate", CHEMISTRY, "mmol/L", "22-28", "hco3, bikarbonat, bicarb"),
    Entry("Calcium", CHEMISTRY, "mmol/L", "2.20-2.60", "ca, ca2+, corrected calcium"),
    Entry("Magnesium", CHEMISTRY, "mmol/L", "0.70-1.00", "mg, mg2+"),
    Entry("Phosphate", CHEMISTRY, "mmol/L", "0.80-1.50", "po4, phosphorus"),
    Entry("Urea", CHEMISTRY, "mmol/L", "2.5-7.8", "bun, blood urea nitrogen, harnstoff"),
    Entry("Creatinine", CHEMISTRY, "umol/L", "50-105", "creat, cr, crea, kreatinin"),
    Entry("eGFR", CHEMISTRY, "mL/min/1.73m2", "90-120", "gfr, glomerular filtration rate, estimated gfr"),
    Entry(
        "Glucose",
        CHEMISTRY,
        "mmol/L",
        "3.9-6.1",
        "bm, bsl, bgl, blood sugar, sugar, glucosis, blutzucker, bz, glycemia, glycemie, finger prick,"
        " capillary glucose,"
        " cbg, random glucose, fasting glucose, dextro, fingerstick, finger stick",
    ),
    Entry("HbA1c", CHEMISTRY, "mmol/mol", "20-41", "a1c, glycated haemoglobin, glycosylated haemoglobin"),
    Entry("Ketones", CHEMISTRY, "mmol/L", "0.0-0.6", "blood ketones, beta hydroxybutyrate"),
    Entry("Osmolality", CHEMISTRY, "mOsm/kg", "275-295", "serum osmolality, osmo"),
    Entry("Bilirubin", CHEMISTRY, "umol/L", "3-20", "bili, total bilirubin"),
    Entry("ALT", CHEMISTRY, "U/L", "5-40", "alanine aminotransferase, alat, gpt, sgpt, alanine transaminase"),
    Entry("AST", CHEMISTRY, "U/L", "5-40", "aspartate aminotransferase, asat, got, sgot, aspartate transaminase"),
    Entry("Alkaline phosphatase", CHEMISTRY, "U/L", "30-120", "alp, alk phos, ap"),
    Entry("Gamma-GT", CHEMISTRY, "U/L", "8-60", "ggt, gamma glutamyl transferase, gamma gt"),
    Entry("Albumin", CHEMISTRY, "g/L", "35-50", "alb"),
    Entry("Total protein", CHEMISTRY, "g/L", "60-80", "protein, serum protein"),
    Entry("Amylase", CHEMISTRY, "U/L", "25-100", "serum amylase"),
    Entry("Lipase", CHEMISTRY, "U/L", "10-60", "serum lipase"),
    Entry("Lactate dehydrogenase", CHEMISTRY, "U/L", "120-250", "ldh"),
    Entry("Uric acid", CHEMISTRY, "umol/L", "150-420", "urate, harnsäure"),
    Entry("Ammonia", CHEMISTRY, "umol/L", "15-45", "nh3"),
    Entry("Cholesterol", CHEMISTRY, "mmol/L", "3.0-5.0", "total cholesterol, chol"),
    Entry("LDL cholesterol", CHEMISTRY, "mmol/L", "1.0-3.0", "ldl"),
    Entry("HDL cholesterol", CHEMISTRY, "mmol/L", "1.0-2.0", "hdl"),
    Entry("Triglycerides", CHEMISTRY, "mmol/L", "0.5-1.7", "tg, trigs"),
    Entry("Ferritin", CHEMISTRY, "ug/L", "30-300", ""),
    Entry("Iron", CHEMISTRY, "umol/L", "10-30", "fe, serum iron"),
    Entry("Transferrin saturation", CHEMISTRY, "%", "20-45", "tsat, transferrin"),
    Entry("Vitamin B12", CHEMISTRY, "pmol/L", "150-600", "b12, cobalamin"),
    Entry("Folate", CHEMISTRY, "nmol/L", "10-40", "folic acid"),
    Entry("Vitamin D", CHEMISTRY, "nmol/L", "50-125", "25 oh vitamin d, vit d"),
    Entry(
        "Troponin",
        CHEMISTRY,
        "ng/mL",
        "0-0.04",
        "trop, trops, tnt, tni, troponin t, troponin i, hs troponin, high sensitivity troponin, hstnt, ctni, ctnt,"
        " hs ctnt, hstn, troponine, cardiac troponin, high sensitive troponin",
    ),
    Entry("Creatine kinase", CHEMISTRY, "U/L", "30-200", "ck, cpk, creatine phosphokinase"),
    Entry("CK-MB", CHEMISTRY, "U/L", "0-24", "ckmb"),
    Entry("BNP", CHEMISTRY, "pg/mL", "0-100", "nt probnp, nt-pro-bnp, brain natriuretic peptide, pro bnp"),
    Entry("D-dimer", CLOTTING, "mg/L", "0-0.5", "ddimer, d dimers, dimer"),
    Entry("INR", CLOTTING, "", "0.8-1.2", "pt inr, prothrombin time, pt, quick"),
    Entry("aPTT", CLOTTING, "s", "25-37", "ptt, activated partial thromboplastin time"),
    Entry("Fibrinogen", CLOTTING, "g/L", "2.0-4.0", ""),
    Entry("Blood group and antibody screen", BLOOD, "", "", "group and save, g&s, blood group, type and screen,"
         " crossmatch, cross match, group and hold, blood type", "A positive, no antibodies"),
    Entry("TSH", HORMONES, "mU/L", "0.4-4.0", "thyroid stimulating hormone, thyrotropin"),
    Entry("Free T4", HORMONES, "pmol/L", "10-22", "ft4, t4, thyroxine"),
    Entry("Free T3", HORMONES, "pmol/L", "3.5-6.5", "ft3, t3"),
    Entry("Cortisol", HORMONES, "nmol/L", "150-550", "morning cortisol"),
    Entry("Parathyroid hormone", HORMONES, "pmol/L", "1.6-6.9", "pth"),
    Entry("PSA", HORMONES, "ug/L", "0-4", "prostate specific antigen"),
    Entry(
        "Pregnancy test",
        HORMONES,
        "",
        "negative",
        "hcg, beta hcg, bhcg, b-hcg, urine pregnancy, upt, urine hcg, ss-hcg, schwangerschaftstest, pregnancy,"
        " human chorionic gonadotropin, urine beta hcg, urine pregnancy test, serum hcg, test de grossesse",
        "negative",
    ),
    Entry("Arterial blood gas", CHEMISTRY, "", "", "abg, blood gas, blood gases, vbg, venous gas, venous blood gas,"
    " bga,"
         " astrup", "pH 7.40, pCO2 5.2 kPa, pO2 12.1 kPa, bicarbonate 24 mmol/L, lactate 1.1 mmol/L"),
    Entry("Urinalysis", URINE, "", "", "urine dip, dipstick, urine dipstick, dip urine, ua, urine analysis, urine test,"
         " urine stix, urine, mid stream urine, msu, urinstix, urine sample, u-stix, urine microscopy",
         "No blood, leucocytes, nitrite, protein, glucose or ketones"),
    Entry("Urine culture", CULTURES, "", "", "urine c&s, urine mc&s", "No growth"),
    Entry("Urine drug screen", URINE, "", "", "tox screen, toxicology, drug screen, uds, tox, toxicology screen",
         "Negative for all substances"),
    Entry("Urine albumin to creatinine ratio", URINE, "mg/mmol", "0-3", "acr, uacr, microalbumin"),
    Entry("Urine sodium", URINE, "mmol/L", "40-220", ""),
    Entry("Urine protein", URINE, "g/24 h", "0-0.15", "proteinuria"),
    Entry("Blood cultures", CULTURES, "", "", "blood culture, bcs, blutkultur, hemoculture", "No growth"),
    Entry("Stool culture", CULTURES, "", "", "stool mc&s, faeces culture, stool sample, stool test", "No pathogens"),
    Entry("Throat swab", CULTURES, "", "", "strep test, rapid strep, strep swab", "Negative for group A streptococci"),
    Entry("Wound swab", CULTURES, "", "", "swab, skin swab", "No growth"),
    Entry("Sputum culture", CULTURES, "", "", "sputum, sputum mc&s", "No growth"),
    Entry("Lumbar puncture", CULTURES, "", "", "lp, csf, spinal tap, csf analysis, liquor", "Clear, 2 cells/uL,"
    " protein "
         "and glucose normal"),
    Entry("Faecal occult blood", OTHER, "", "negative", "fob, fobt, fit, occult blood, guaiac", "negative"),
    Entry("Helicobacter pylori test", OTHER, "", "negative", "h pylori, hp test, urea breath test", "negative"),
    Entry("Borrelia IgM", INFECTION, "", "negative", "borrelia igm antibodies, lyme igm, borreliose igm", "negative"),
    Entry("Borrelia IgG", INFECTION, "", "negative", "borrelia igg antibodies, lyme igg, borreliose igg", "negative"),
    Entry("HIV test", INFECTION, "", "negative", "hiv, hiv 1/2, hiv serology", "negative"),
    Entry("Hepatitis serology", INFECTION, "", "negative", "hepatitis, hep b, hep c, hbv, hcv, hepatitis screen",
         "negative"),
    Entry("Syphilis serology", INFECTION, "", "negative", "tpha, vdrl, rpr, syphilis", "negative"),
    Entry("EBV serology", INFECTION, "", "negative", "monospot, ebv, mono test, glandular fever test", "negative"),
    Entry("COVID-19 test", INFECTION, "", "negative", "covid, sars cov 2, covid pcr, covid swab, corona", "negative"),
    Entry("Influenza test", INFECTION, "", "negative", "flu test, flu swab, influenza pcr", "negative"),
    Entry("Chlamydia and gonorrhoea PCR", INFECTION, "", "negative", "chlamydia, gonorrhoea, sti screen, std test,"
    " sti test",
         "negative"),
    Entry("Malaria film", INFECTION, "", "negative", "malaria, thick film", "negative"),
    Entry("Antinuclear antibodies", OTHER, "", "negative", "ana, antinuclear antibody", "negative"),
    Entry("Rheumatoid factor", OTHER, "", "negative", "rf", "negative"),
    Entry("Anti-CCP antibodies", OTHER, "", "negative", "anti ccp, ccp", "negative"),
    Entry("Tissue transglutaminase antibodies", OTHER, "", "negative", "ttg, coeliac screen, celiac serology",
         "negative"),
    Entry("Total IgE", OTHER, "kU/L", "0-100", "ige, allergy test, rast"),
    Entry("Paracetamol level", OTHER, "mg/L", "0-10", "acetaminophen level, paracetamol, acetaminophen"),
    Entry("Salicylate level", OTHER, "mg/L", "0-50", "salicylate, aspirin level"),
    Entry("Alcohol level", OTHER, "g/L", "0-0.1", "ethanol, blood alcohol, alcohol"),
    Entry("ECG", TRACES, "", "", "ekg, electrocardiogram, 12 lead, 12 lead ecg, elektrokardiogramm, heart tracing,"
         " electrocardiogramme, twelve lead ecg", "Sinus rhythm, normal axis, no ST changes", "radiology_result"),
    Entry("EEG", TRACES, "", "", "electroencephalogram", "Normal background, no epileptiform activity",
         "radiology_result"),
    Entry("Spirometry", TRACES, "", "", "lung function, pulmonary function test, pft, lung function test",
         "FEV1 and FVC within normal limits", "radiology_result"),
    Entry("Peak flow", TRACES, "L/min", "400-600", "pef, pefr, peak expiratory flow"),
    Entry("Bladder scan", TRACES, "", "", "post void residual", "20 mL residual", "radiology_result"),
    Entry("Gastroscopy", TRACES, "", "", "ogd, egd, upper endoscopy, endoscopy", "Normal mucosa", "radiology_result"),
    Entry("Colonoscopy", TRACES, "", "", "sigmoidoscopy", "Normal mucosa", "radiology_result"),
    Entry("Coronary angiography", TRACES, "", "", "coronary angiogram, cardiac catheterisation, coronary angio",
         "No significant stenosis", "radiology_result"),
    Entry("Tympanometry", TRACES, "", "", "hearing test, audiogram, audiometry", "Normal", "radiology_result"),
    Entry("Skin biopsy", OTHER, "", "", "biopsy, punch biopsy", "Normal skin", "radiology_result"),
)  # fmt: skip

SETS: tuple[tuple[str, str, str], ...] = (
    (
        "Full blood count",
        "fbc, cbc, complete blood count, blood count, bc, blutbild, kleines blutbild, grosses blutbild, nfs,"
        " hemogramme, haemogram, fbe, full blood examination, numeration formule sanguine",
        "Haemoglobin, White blood cells, Platelets, Haematocrit, Mean cell volume",
    ),
    (
        "Urea and electrolytes",
        "u&e, u and e, ues, us and es, electrolytes, elektrolyte, kidney function, renal function, rft, kfts,"
        " renal profile,"
        " bmp, basic metabolic panel, chem 7, renal panel, kidney function tests, ionogramme, lytes",
        "Sodium, Potassium, Urea, Creatinine, eGFR",
    ),
    (
        "Liver function tests",
        "lft, lfts, liver tests, liver panel, leberwerte, liver enzymes, liver profile, hepatic panel, bilan hepatique,"
        " hepatic function panel, transaminases",
        "Bilirubin, ALT, AST, Alkaline phosphatase, Gamma-GT, Albumin",
    ),
    (
        "Inflammatory markers",
        "inflammation markers, entzündungswerte, inflammatory screen, markers of inflammation, infection markers",
        "C-reactive protein, White blood cells, Erythrocyte sedimentation rate",
    ),
    (
        "Cardiac set",
        "cardiac enzymes, cardiac markers, cardiac panel, herzenzyme, heart enzymes, cardiac biomarkers, acs bundle,"
        " acs set, chest pain bundle, cardiac bloods",
        "Troponin, Creatine kinase, CK-MB, ECG",
    ),
    ("Clotting screen", "coag, coags, coagulation, clotting, coagulation screen, gerinnung, coag screen",
     "INR, aPTT, Fibrinogen"),
    ("Thyroid function tests", "tft, tfts, thyroid function, thyroid, thyroid tests", "TSH, Free T4"),
    ("Lipid profile", "lipids, lipid panel, cholesterol panel", "Cholesterol, LDL cholesterol, HDL cholesterol, "
     "Triglycerides"),
    ("Iron studies", "iron profile, iron panel", "Iron, Ferritin, Transferrin saturation"),
    ("Bone profile", "bone panel", "Calcium, Phosphate, Alkaline phosphatase, Albumin"),
    ("Haematinics", "anaemia screen", "Ferritin, Vitamin B12, Folate"),
    ("Lyme serology", "borrelia serology, borrelia antibodies, lyme test, lyme disease test, lyme titre,"
    " lyme antibodies,"
     " borrelia, lyme, borreliose serologie, lyme screen, lyme disease serology, borrelia antibody, elisa for lyme,"
     " lyme elisa, borrelia burgdorferi", "Borrelia IgM, Borrelia IgG"),
    ("Pancreatic enzymes", "pancreas enzymes, pancreatic markers", "Amylase, Lipase"),
    ("Septic screen", "sepsis screen, sepsis six, septic workup, sepsis workup",
     "C-reactive protein, White blood cells, Lactate, Blood cultures, Urinalysis"),
    (
        "Routine bloods",
        "bloods, routine blood tests, blood work, bloodwork, blood tests, basic bloods, standard bloods, labs,"
        " routine labs, blood panel, basic labs, blood test, laboratory, cmp, comprehensive metabolic panel,"
        " prise de sang",
        "Haemoglobin, White blood cells, Platelets, C-reactive protein, Sodium, Potassium, Urea, Creatinine, Bilirubin,"
        " ALT, Glucose",
    ),
)  # fmt: skip
"""Name, synonyms, and the tests that a set consists of."""
