"""The examination of the body: by system the words of an order, and what is usual."""

from __future__ import annotations

from apps.simulation.models.cases import System

EXAMINING = (
    "examine, examination, exam, exams, inspect, inspection, palpate, palpation, auscultate, auscultation, percuss,"
    " percussion, listen to, look at, feel, check, assess, test, untersuchung, untersuche, physical, clinical,"
    " assessment"
)
"""Words that ask for an examination."""

EVERYTHING = (
    "physical examination, full examination, physical exam, full exam, top to toe examination, head to toe examination,"
    " full physical, general physical examination, examination, complete physical exam, physical, examine patient"
)
"""Orders that mean every system."""

WORDS: dict[System, str] = {
    "General": "general appearance, general inspection, general examination, appearance, general condition, end of bed,"
    " hydration status, jaundice, pallor, cyanosis, clubbing, general state, general impression, hydration,"
    " mucous membranes",
    "Cardiovascular": "heart, heart sounds, cardiac, cardiovascular, pulses, murmur, murmurs, jvp,"
    " jugular venous pressure,"
    " capillary refill, crt, apex beat, cvs, praecordium, precordium, oedema, peripheral pulses, ankle oedema, cardio,"
    " jugular veins, peripheral oedema, radial pulse",
    "Respiratory": "lungs, lung, breath sounds, respiratory, chest, resp, air entry, chest expansion, breathing sounds,"
    " lung sounds, thorax, respiratory system",
    "Abdomen": "abdomen, abdominal, belly, tummy, abdo, bowel sounds, mcburney, mcburneys point, rovsing, rovsing sign,"
    " rebound, rebound tenderness, guarding, murphy, murphy sign, psoas sign, psoas, obturator sign, rectal,"
    " digital rectal examination, pr exam, dre, pr, liver, spleen, hernia, hernial orifices, tenderness, peritonism,"
    " blumberg, rigidity, stomach, bauch, abdomen exam",
    "Neurological": "neurological, neuro, reflexes, pupils, gcs, glasgow coma scale, cranial nerves, power, sensation,"
    " coordination, gait, neurology, meningism, neck stiffness, kernig, brudzinski, babinski, nervous system,"
    " facial nerve, facial palsy, tone, neurological status, cns, facial droop, face droop",
    "Skin": "skin, rash, skin lesion, lesion, spot, wound, erythema, ring, haut, red ring, red spot,"
    " dermatological, bite,"
    " tick bite",
    "Musculoskeletal": "joints, joint, knees, knee, spine, back, hip, shoulder, range of motion, musculoskeletal, msk,"
    " legs, leg, arms, arm, limbs, calf, calves, thigh, ankle, extremities, muscles, movement",
    "Head and neck": "throat, ears, ear, nose, mouth, tonsils, thyroid, neck, lymph nodes, lymph node, ent, eyes, eye,"
    " fundoscopy, otoscopy, head, tongue, glands, head and neck, groin nodes, inguinal lymph nodes",
    "Genitourinary": "genitals, genital, pelvic, vaginal, bimanual, speculum, testes, testicles, scrotum, flank,"
    " flanks,"
    " renal angle, kidneys, genitourinary, loin, costovertebral angle, bimanual examination, vaginal examination,"
    " pelvic examination, renal angle tenderness",
    "Mental state": "mental state, mental status, mse, orientation, cognition, mood, mmse, psychiatric, consciousness,"
    " mental",
}
"""By system: what is examined, and signs that are looked for."""

NAMES: dict[System, str] = {
    "General": "General appearance",
    "Cardiovascular": "Heart and circulation",
    "Respiratory": "Lungs",
    "Abdomen": "Abdomen",
    "Neurological": "Neurological examination",
    "Skin": "Skin",
    "Musculoskeletal": "Joints and limbs",
    "Head and neck": "Head and neck",
    "Genitourinary": "Genitourinary examination",
    "Mental state": "Mental state",
}
"""Under which an examination without fixed findings is reported."""

USUAL: dict[System, str] = {
    "General": "Well nourished and hydrated, no jaundice, no cyanosis.",
    "Cardiovascular": "Regular pulse, normal heart sounds without murmurs, no oedema.",
    "Respiratory": "Equal air entry on both sides, vesicular breath sounds, no added sounds.",
    "Abdomen": "Soft, not tender, no masses, normal bowel sounds.",
    "Neurological": "Alert and oriented, pupils equal and reactive, power, sensation and reflexes normal.",
    "Skin": "No rash, no wounds.",
    "Musculoskeletal": "Joints not swollen, full range of movement, calves soft.",
    "Head and neck": "Throat clear, no enlarged lymph nodes, neck supple.",
    "Genitourinary": "No tenderness over the kidneys, otherwise unremarkable.",
    "Mental state": "Alert, oriented, mood appropriate, thought coherent.",
}
"""What is found where a case says nothing."""
