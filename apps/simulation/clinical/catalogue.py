"""The catalogue of orders as pages and programs read it."""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random
from typing import Any

from apps.simulation.clinical.examination_data import NAMES, USUAL
from apps.simulation.clinical.examination_data import WORDS as EXAMINED
from apps.simulation.clinical.imaging_data import UNREMARKABLE
from apps.simulation.clinical.tests_data import SETS, TESTS
from apps.simulation.clinical.vitals import VITALS, vital_named
from apps.simulation.clinical.vocabulary import ENTRIES, Concept
from apps.simulation.models.cases import SYSTEMS, Finding, System

IMAGES = (
    "Chest X-ray",
    "Abdominal X-ray",
    "Abdominal ultrasound",
    "Pelvic ultrasound",
    "Renal ultrasound",
    "Leg Doppler ultrasound",
    "Echocardiogram",
    "CT head",
    "CT chest",
    "CT pulmonary angiogram",
    "CT abdomen and pelvis",
    "MRI brain",
    "MRI spine",
    "X-ray of the hand",
    "X-ray of the ankle",
)
"""Images that are offered; others can be ordered in words."""
RANGE = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")


@lru_cache(maxsize=1)
def as_json() -> dict[str, Any]:
    """`tests`, `sets`, `examinations` and `systems`, each test with its synonyms and its group. Do not change it."""
    tests = [{"name": e.name, "kind": e.kind, "group": e.group, "synonyms": _names(e.synonyms)} for e in TESTS]
    images = [{"name": name, "kind": "radiology_result", "group": "Imaging", "synonyms": []} for name in IMAGES]
    vitals = [
        {"name": vital.label, "kind": "vital", "group": "Vital signs", "synonyms": _names(vital.synonyms)}
        for vital in VITALS
    ]
    return {
        "tests": [*tests, *images, *vitals],
        "sets": [
            {"name": name, "synonyms": _names(synonyms), "tests": _names(members)} for name, synonyms, members in SETS
        ],
        "examinations": [
            {"name": f"Examine: {NAMES[system]}", "system": system, "synonyms": _names(EXAMINED[system])}
            for system in SYSTEMS
        ],
        "systems": list(SYSTEMS),
    }


def usual(concept: Concept, text: str, rng: Random) -> list[Finding]:
    """What a healthy person has: one finding, or several for an order that means several."""
    match concept.kind:
        case "vitals":
            return [vital.finding(vital.usual) for vital in VITALS]
        case "exam":
            return [_examined(system) for system in SYSTEMS if concept.name in {"", system}]
        case "vital":
            vital = vital_named(concept.name)
            return [vital.finding(vital.usual)] if vital else []
        case "image":
            return [Finding(kind="radiology_result", key=_title(text), value=UNREMARKABLE[concept.name])]
        case "test":
            return [_value(concept.name, rng)]
    return []


def _examined(system: System) -> Finding:
    return Finding(kind="exam", key=NAMES[system], value=USUAL[system], system=system)


def _value(name: str, rng: Random) -> Finding:
    entry = ENTRIES[name]
    bounds = RANGE.fullmatch(entry.reference)
    value = entry.usual
    if not value and bounds:
        low, high = float(bounds[1]), float(bounds[2])
        decimals = max(len(bound.partition(".")[2]) for bound in bounds.groups())
        value = f"{low + (high - low) * rng.uniform(0.3, 0.7):.{decimals}f}"
    kind: Any = entry.kind
    return Finding(kind=kind, key=name, value=value or "Unremarkable", unit=entry.unit, reference_range=entry.reference)


def _title(text: str) -> str:
    return text[:1].upper() + text[1:255]


def _names(text: str) -> list[str]:
    return [name for name in map(str.strip, text.split(",")) if name]
