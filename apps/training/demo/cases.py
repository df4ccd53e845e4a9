"""Three scenarios for the demo, and one picture. The people and their illnesses are made up."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw


def lab(key: str, value: str, unit: str, reference_range: str, flag: str = "normal") -> dict[str, str]:
    extra = {"unit": unit, "reference_range": reference_range, "flag": flag}
    return {"kind": "lab_result", "key": key, "value": value, **extra}


def image(key: str, value: str, flag: str = "abnormal") -> dict[str, str]:
    return {"kind": "radiology_result", "key": key, "value": value, "unit": "", "reference_range": "", "flag": flag}


BELLY: dict[str, Any] = {
    "key": "demo-belly-pain",
    "title": "Belly pain since last night",
    "summary": "A young woman in the emergency department. Take her history, order what you need, decide.",
    "sim_patient_full_name": "Maria Alvarez",
    "diagnosis": "acute appendicitis",
    "chief_complaint": "belly pain since last night",
    "scenario": (
        "Maria is 34 years old and works as a baker. Yesterday evening she felt a dull pain around the navel. "
        "During the night the pain moved to the lower right side and became sharp. On a scale the pain is now a 7. "
        "Walking and coughing make it worse. Lying still with bent knees helps a little. She vomited once and has not "
        "eaten since. She has a mild fever of 38.1. She takes the contraceptive pill and no other medicines. She has "
        "no allergies. She never had an operation. Her mother had gallstones. She does not smoke and drinks little "
        "alcohol. Her last period was two weeks ago."
    ),
    "instructions": "Answers briefly, holds her belly, is afraid of an operation.",
    "modifiers": ["Becomes short when a question is asked twice."],
    "findings": [
        lab("White blood cells", "15.2", "10^9/L", "4.0-11.0", "high"),
        lab("C-reactive protein", "84", "mg/L", "0-5", "high"),
        lab("Haemoglobin", "13.4", "g/dL", "12.0-16.0"),
        lab("Pregnancy test", "negative", "", "negative"),
        image("Abdominal ultrasound", "Tubular, non-compressible structure of 11 mm in the right lower quadrant"),
    ],
}

CHEST: dict[str, Any] = {
    "key": "demo-chest-pressure",
    "title": "Pressure in the chest",
    "summary": "A man who was brought by his wife. Time matters.",
    "sim_patient_full_name": "Walter Brandt",
    "diagnosis": "myocardial infarction",
    "chief_complaint": "pressure in the chest since this morning",
    "scenario": (
        "Walter is 58 years old and works as a bus driver. This morning he felt a heavy pressure in the middle of the "
        "chest while climbing stairs. The pressure moves into the left arm and the jaw. It has not stopped for an "
        "hour. He is sweating and feels sick. Resting does not help. He takes a tablet for his blood pressure and "
        "one for cholesterol. He is allergic to penicillin. He smokes a pack a day since he was 20 years old. His "
        "father died of heart disease at 60. He had no operation but a broken arm as a child. He lives with his wife."
    ),
    "instructions": "Plays it down, wants to go home, is short of breath.",
    "modifiers": ["Asks whether he can smoke a cigarette."],
    "findings": [
        lab("Troponin", "0.92", "ng/mL", "0-0.04", "critical"),
        lab("Glucose", "7.1", "mmol/L", "3.9-6.1", "high"),
        lab("Potassium", "4.2", "mmol/L", "3.5-5.0"),
        image("ECG", "ST elevation in II, III and aVF, reciprocal depression in I and aVL", "critical"),
        image("Chest X-ray", "Heart and lungs without acute findings", "normal"),
    ],
    "time_limit_minutes": 30,
}

RASH: dict[str, Any] = {
    "key": "demo-rash",
    "title": "A red ring on the leg",
    "summary": "A student shows you her leg in the surgery. She has taken a picture of it at home.",
    "sim_patient_full_name": "Ida Lindqvist",
    "diagnosis": "early Lyme borreliosis",
    "chief_complaint": "a red ring on the leg that grows",
    "scenario": (
        "Ida is 23 years old and studies geography. Ten days ago she found a red spot on her left thigh. The spot "
        "became a ring that grows every day and is pale in the middle. It does not hurt and itches only a little. "
        "Three weeks ago she walked in the woods with friends and slept in a tent. She feels tired and had a headache "
        "for two days. She has no fever. She takes no medicines. She is allergic to nuts. She has never had anything "
        "like it before. She does not smoke. She lives in a shared flat."
    ),
    "instructions": "Friendly and talkative, a little worried about an exam next week.",
    "modifiers": [],
    "findings": [
        lab("Borrelia IgM", "positive", "", "negative", "abnormal"),
        lab("White blood cells", "7.8", "10^9/L", "4.0-11.0"),
        lab("C-reactive protein", "6", "mg/L", "0-5", "high"),
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
