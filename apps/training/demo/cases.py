"""Three scenarios for the demo, and one picture. The people and their illnesses are made up."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw

from apps.simulation.clinical.vitals import findings_from


def lab(key: str, value: str, unit: str, reference_range: str, flag: str = "normal", *aliases: str) -> dict[str, Any]:
    extra = {"unit": unit, "reference_range": reference_range, "flag": flag}
    return {
        "kind": "lab_result",
        "key": key,
        "value": value,
        **extra,
        **({"aliases": list(aliases)} if aliases else {}),
    }


def image(key: str, value: str, flag: str = "abnormal") -> dict[str, Any]:
    return {"kind": "radiology_result", "key": key, "value": value, "unit": "", "reference_range": "", "flag": flag}


def exam(system: str, key: str, value: str, flag: str = "abnormal") -> dict[str, Any]:
    return {**image(key, value, flag), "kind": "exam", "system": system}


def vitals(**values: str) -> list[dict[str, Any]]:
    """By the codes of `apps.simulation.clinical.vitals`."""
    return [finding.model_dump() for finding in findings_from(values)]


BELLY: dict[str, Any] = {
    "key": "demo-belly-pain",
    "title": "Belly pain since last night",
    "summary": "A young woman in the emergency department. Take her history, order what you need, decide.",
    "sim_patient_full_name": "Maria Alvarez",
    "patient_age": 34,
    "patient_sex": "female",
    "patient_occupation": "baker",
    "setting": "Emergency department, Saturday, 9:40",
    "task": "Find out what is wrong, order what you need, tell the patient what you think and what happens next.",
    "diagnosis": "acute appendicitis",
    "accepted_diagnoses": ["appendicitis", "inflamed appendix", "infected appendix", "the appendix"],
    "treatment_points": [
        "Operation: call the surgeons",
        "Nil by mouth",
        "Fluids through a drip",
        "Painkillers",
        "Antibiotics before the operation",
    ],
    "criteria": [
        "Introduces herself or himself",
        "Asks when the pain began, where it is and whether it has moved",
        "Asks about vomiting, fever and the last period",
        "Asks about medicines, allergies and earlier operations",
        "Examines the abdomen",
        "Orders white blood cells, CRP and a pregnancy test",
        "Names the diagnosis",
        "Explains the plan and what happens next",
    ],
    "chief_complaint": "belly pain since last night",
    "scenario": (
        "Maria is 34 years old and works as a baker. Yesterday evening at about eight she felt a dull pain around "
        "the navel. It came slowly while she was watching television. During the night the pain moved to the lower "
        "right side and became sharp. On a scale from 0 to 10 the pain is now a 7. It is there all the time and it "
        "has become worse since this morning. Walking, coughing and bumps in the road make it worse. Lying still "
        "with bent knees helps a little. It does not go into the back, the shoulder or the groin. She took one "
        "paracetamol last night, which did not help. She has never had anything like this before. She feels sick "
        "and vomited once during the night, only food and no blood. She has no appetite. She has not eaten since "
        "lunch yesterday, a cheese sandwich, and only drank some water this morning. She has a mild fever of 38.1 "
        "since this morning and feels cold. Her bowels were normal yesterday, without diarrhoea and without blood. "
        "Passing water is normal, without burning. Her last period was two weeks ago and it was normal. She is not "
        "pregnant as far as she knows. She takes the contraceptive pill every day and no other medicines. She has "
        "no unusual discharge or bleeding. She has a steady boyfriend and no other partner. She has no allergies. "
        "She has always been healthy, without any serious illnesses. She has never had an operation. Her mother had "
        "gallstones and her father has high blood pressure. She does not smoke. She drinks a glass of wine at "
        "weekends. She does not take drugs. She starts work at three in the morning. She lives with her boyfriend, "
        "who brought her here. She has no children. She has not been abroad this year. Nobody around her is ill. "
        "She could not sleep because of the pain. Her weight has not changed."
    ),
    "instructions": "Answers briefly, holds her belly, is afraid of an operation.",
    "modifiers": ["Becomes short when a question is asked twice."],
    "findings": [
        *vitals(hr="104", bp="118/72", rr="18", spo2="98", temp="38.1"),
        lab("White blood cells", "15.2", "10^9/L", "4.0-11.0", "high", "WBC", "leucocytes"),
        lab("C-reactive protein", "84", "mg/L", "0-5", "high", "CRP"),
        lab("Haemoglobin", "13.4", "g/dL", "12.0-16.0"),
        lab("Pregnancy test", "negative", "", "negative", "normal", "beta-hCG"),
        lab("Urinalysis", "A few leucocytes, no nitrite, no blood", "", "", "normal", "urine dipstick"),
        image("Abdominal ultrasound", "Tubular, non-compressible structure of 11 mm in the right lower quadrant"),
        exam("Abdomen", "Palpation of the abdomen", "Tender in the right lower quadrant, with guarding"),
        exam("Abdomen", "McBurney's point", "Very tender, with rebound tenderness"),
        exam("Abdomen", "Rovsing's sign", "Positive"),
        exam("Abdomen", "Bowel sounds", "Sparse", "normal"),
        exam("General", "General appearance", "Lies still with bent knees, looks unwell", "abnormal"),
    ],
}

CHEST: dict[str, Any] = {
    "key": "demo-chest-pressure",
    "holds_feedback": True,
    "title": "Pressure in the chest",
    "summary": "A man who was brought by his wife. Time matters.",
    "sim_patient_full_name": "Walter Brandt",
    "patient_age": 58,
    "patient_sex": "male",
    "patient_occupation": "bus driver",
    "setting": "Emergency department, Monday, 8:15",
    "task": "Find out what is wrong and act: time matters. Tell the patient what you think and what happens next.",
    "diagnosis": "myocardial infarction",
    "accepted_diagnoses": [
        "heart attack",
        "STEMI",
        "inferior STEMI",
        "acute coronary syndrome",
        "ACS",
        "MI",
        "coronary occlusion",
    ],
    "treatment_points": [
        "Aspirin at once",
        "Cath lab: coronary angiography with a stent (PCI)",
        "Heparin or another anticoagulant",
        "Monitor and access to a vein",
        "Pain relief, such as morphine or nitroglycerin",
    ],
    "chief_complaint": "pressure in the chest since this morning",
    "scenario": (
        "Walter is 58 years old and works as a bus driver. This morning at seven he felt a heavy pressure in the "
        "middle of the chest while climbing stairs. It came suddenly. It feels as if somebody sits on his chest. "
        "The pressure moves into the left arm and the jaw. It is there all the time and has not stopped for an "
        "hour. On a scale from 0 to 10 it is an 8. Climbing stairs made it worse. Resting does not help, and "
        "neither did a glass of water. Breathing in or coughing makes no difference. He has not taken anything for "
        "it. Last month he had a little pressure like this twice when he carried shopping, but it stopped after a "
        "few minutes. He is short of breath and sweating. He feels sick but has not vomited. He feels weak and a "
        "little dizzy, but he has not fainted. His heart beats fast. He has no cough and no fever. His legs are not "
        "swollen. He has had high blood pressure for ten years. He has high cholesterol. He does not have diabetes. "
        "He takes a tablet for his blood pressure and one for cholesterol, but he does not know their names. He is "
        "allergic to penicillin, it gave him a rash as a child. He smokes a pack a day since he was 20 years old. "
        "He tried to stop smoking twice but could not. He drinks two beers in the evening. He does not take drugs. "
        "His father died of heart disease at 60. His brother has diabetes. He has never had an operation, only a "
        "broken arm as a child. He lives with his wife, who brought him here. He has two grown-up children. He had "
        "coffee and a roll for breakfast at six. He does no sport and sits all day at work. His bowels are normal. "
        "He has some trouble passing water at night, but no pain. His weight has gone up by five kilos this year. "
        "He has been under a lot of stress at work. He has not travelled lately."
    ),
    "instructions": "Plays it down, wants to go home, is short of breath.",
    "modifiers": ["Asks whether he can smoke a cigarette."],
    "findings": [
        *vitals(hr="98", bp="152/94", rr="22", spo2="95", temp="36.6"),
        lab("Troponin", "0.92", "ng/mL", "0-0.04", "critical", "hs-troponin T", "trop"),
        lab("Glucose", "7.1", "mmol/L", "3.9-6.1", "high", "blood sugar"),
        lab("Potassium", "4.2", "mmol/L", "3.5-5.0", "normal", "K"),
        image("ECG", "ST elevation in II, III and aVF, reciprocal depression in I and aVL", "critical"),
        image("Chest X-ray", "Heart and lungs without acute findings", "normal"),
        exam("Cardiovascular", "Heart sounds", "Regular, no murmur", "normal"),
        exam("Respiratory", "Breath sounds", "Clear on both sides", "normal"),
        exam("General", "General appearance", "Pale, sweating, anxious", "abnormal"),
    ],
    "time_limit_minutes": 30,
}

RASH: dict[str, Any] = {
    "key": "demo-rash",
    "title": "A red ring on the leg",
    "summary": "A student shows you her leg in the surgery. She has taken a picture of it at home.",
    "sim_patient_full_name": "Ida Lindqvist",
    "patient_age": 23,
    "patient_sex": "female",
    "patient_occupation": "student of geography",
    "setting": "General practice, Wednesday, 16:20",
    "task": "Take the history, look at the leg, decide what it is and how it is treated.",
    "diagnosis": "early Lyme borreliosis",
    "accepted_diagnoses": ["Lyme disease", "borreliosis", "erythema migrans", "Lyme", "borrelia"],
    "treatment_points": ["Doxycycline for 10 to 14 days, or amoxicillin", "Come back if it does not get better"],
    "chief_complaint": "a red ring on the leg that grows",
    "scenario": (
        "Ida is 23 years old and studies geography. Ten days ago she found a red spot on her left thigh. The spot "
        "became a ring that grows every day and is pale in the middle. It is as wide as a hand now, red at the edge "
        "and flat, without blisters. It does not hurt and itches only a little. It feels a bit warm. Nothing makes "
        "it better or worse. She put a cooling cream on it, which did not help. Three weeks ago she walked in the "
        "woods with friends and slept in a tent. She did not notice a tick or any bite. She has never had anything "
        "like it before. She has no other spots on her skin. She feels tired and had a headache for two days last "
        "week. Her knees ache a little in the evening. She has no fever and no chills. Her neck is not stiff. Her "
        "face is normal, and nothing is numb or weak. Her heart does not race and she is not short of breath. She "
        "has a swollen gland in the left groin. Her appetite and her weight are as usual. She does not feel sick. "
        "Her bowels and passing water are normal. She takes no medicines. She is not pregnant, her last period was "
        "a week ago. She takes no contraceptive pill and has no boyfriend at the moment. She is allergic to nuts, "
        "they make her lips swell. She has always been healthy. Her appendix was taken out when she was 12 years "
        "old. Her mother has a thyroid problem. She does not smoke. She drinks a beer or two at parties. She once "
        "tried cannabis, but takes no drugs. She lives in a shared flat with two friends. Her friends from the tent "
        "are well, nobody else has a ring. She has a cat at her parents' house. She has an exam next week and is a "
        "little stressed. She sleeps well. She was vaccinated against tetanus, but not against tick-borne "
        "encephalitis. She goes running twice a week. She has not been abroad this year."
    ),
    "instructions": "Friendly and talkative, a little worried about an exam next week.",
    "modifiers": [],
    "findings": [
        *vitals(hr="72", bp="116/70", rr="14", spo2="99", temp="36.9"),
        lab("Borrelia IgM", "positive", "", "negative", "abnormal"),
        lab("White blood cells", "7.8", "10^9/L", "4.0-11.0"),
        lab("C-reactive protein", "6", "mg/L", "0-5", "high", "CRP"),
        exam("Skin", "Left thigh", "Red ring of 16 cm with a pale middle, flat, warm, no scaling"),
        exam("Head and neck", "Lymph nodes", "One soft node of 1.5 cm in the left groin"),
        exam("Neurological", "Neurological examination", "No neck stiffness, no facial weakness", "normal"),
    ],
}

CASES = (BELLY, CHEST, RASH)
RASH_PICTURE = "The thigh, with a red ring as wide as a hand and a pale middle"


def rash_picture() -> bytes:
    """A drawing of it as PNG: nobody's skin."""
    picture = Image.new("RGB", (640, 420), (232, 190, 165))
    pen = ImageDraw.Draw(picture)
    for step in range(120):
        shade = (232 - step // 6, 190 - step // 5, 165 - step // 5)
        pen.ellipse((150 - step // 2, 70 - step // 2, 470 + step // 2, 350 + step // 2), outline=shade)
    for inset, colour in ((0, (206, 92, 84)), (14, (214, 108, 98)), (34, (226, 168, 148)), (110, (205, 110, 98))):
        pen.ellipse((150 + inset, 70 + inset, 470 - inset, 350 - inset), fill=colour)
    target = io.BytesIO()
    picture.save(target, format="PNG")
    return target.getvalue()
