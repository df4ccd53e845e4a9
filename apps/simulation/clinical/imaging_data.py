"""Words of imaging orders: how an image is made, and of what."""

from __future__ import annotations

MODALITIES: dict[str, str] = {
    "X-ray": "xray, x ray, x-rays, radiograph, radiography, plain film, rontgen, roentgen, röntgenbild,"
    " radiographie, xr,"
    " rx, roe",
    "Ultrasound": "us, uss, usg, sono, sonography, sonogram, ultra sound, ultraschall, echographie, sonographie,"
    " scan us,"
    " fast, fast scan, pocus, ultrasonography, ultrasonic, ultrasound scan, us scan",
    "CT": "cat scan, computed tomography, computertomographie, ct scan, cect, ncct, scanner",
    "MRI": "mrt, irm, nmr, magnetic resonance, mr, mri scan, magnetic resonance imaging",
    "Echocardiogram": "echo, echocardiography, tte, toe, tee, herzecho, heart ultrasound, cardiac ultrasound,"
    " ultrasound heart, ultrasound of the heart, cardiac echo",
    "Doppler": "duplex, doppler ultrasound, doppler us, compression ultrasound, leg doppler",
    "Angiogram": "angiography, cta, ct angiogram, ct angiography",
    "PET": "pet scan, pet ct",
    "Mammogram": "mammography",
    "Bone scan": "scintigraphy, bone scintigraphy, dexa, dexa scan",
}
"""By name: other words for it."""

REGIONS: dict[str, str] = {
    "abdomen": "abdominal, belly, tummy, stomach, abdo, appendix, appendiceal, rlq, right lower quadrant,"
    " iliac fossa, rif,"
    " gallbladder, biliary, hepatobiliary, ruq, right upper quadrant, liver, hepatic, pancreas, spleen, bowel, bauch,"
    " lower abdomen, lower abdominal, upper abdomen, kub, ventre, axr",
    "pelvis": "pelvic, ovary, ovaries, ovarian, uterus, uterine, transvaginal, tv, gynaecological, adnexa, becken,"
    " bladder,"
    " tvs, gynae",
    "kidney": "kidneys, renal, urinary tract, ureter, nieren",
    "chest": "thorax, thoracic, lung, lungs, pulmonary, heart size, cxr, brust, torax, ctpa, pa chest, ribs, rib",
    "head": "brain, cranial, cerebral, skull, kopf, cranium, intracranial, cerveau, schädel",
    "neck": "cervical, carotid, thyroid gland, c spine",
    "spine": "lumbar, back, lumbosacral, spinal, vertebral, vertebrae",
    "leg": "legs, thigh, calf, femur, lower limb, lower extremity, tibia, dvt, bein, lower leg, upper leg",
    "knee": "knees, patella",
    "hip": "hips",
    "foot": "feet, toe, ankle, heel, ankles",
    "arm": "arms, upper limb, upper extremity, humerus, elbow, forearm",
    "hand": "hands, wrist, finger, fingers, scaphoid",
    "shoulder": "shoulders, clavicle",
    "aorta": "aortic, aaa",
    "coronary": "coronaries, cardiac, heart",
    "testis": "testes, testicular, scrotal, scrotum, testicle",
    "soft tissue": "soft tissues, skin lesion, lump",
    "sinuses": "sinus, face, facial, orbit",
}
"""By name: other words for it."""

WHOLE: dict[str, str] = {"cxr": "X-ray", "axr": "X-ray", "kub": "X-ray", "ctpa": "CT", "aaa": "Ultrasound"}
"""Abbreviations that name both how and of what."""

UNREMARKABLE: dict[str, str] = {
    "X-ray": "No acute findings.",
    "Ultrasound": "Normal appearances of what is seen, no free fluid.",
    "CT": "No acute findings.",
    "MRI": "No acute findings.",
    "Echocardiogram": "Good function of both ventricles, valves without relevant findings.",
    "Doppler": "Veins compressible, no thrombus.",
    "Angiogram": "No stenosis, no occlusion.",
    "PET": "No pathological uptake.",
    "Mammogram": "No suspicious findings.",
    "Bone scan": "No pathological uptake.",
}
"""What a report says when there is nothing to see."""
