"""A scenario, and sessions that are played from it."""

from __future__ import annotations

from typing import Any

from apps.simulation.models import Simulation
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.chatlab.conversation import OPENING
from tests.apps.people import Caller

POTASSIUM = {
    "kind": "lab_result",
    "key": "Potassium",
    "value": "6.2",
    "unit": "mmol/L",
    "reference_range": "3.5-5.1",
    "flag": "critical",
}
SCENARIO = {
    "key": "appendicitis-1",
    "title": "Belly pain in a young baker",
    "summary": "A patient comes to the emergency room.",
    "sim_patient_full_name": "Maria Alvarez",
    "patient_age": 34,
    "patient_sex": "female",
    "patient_occupation": "baker",
    "setting": "Emergency department, Saturday evening",
    "task": "Take her history and decide what to do.",
    "diagnosis": "acute appendicitis",
    "accepted_diagnoses": ["inflamed appendix"],
    "treatment_points": ["appendicectomy"],
    "criteria": ["Asks about allergies"],
    "chief_complaint": "belly pain since last night",
    "scenario": "She ate oysters.",
    "instructions": "Be short-tempered.",
    "modifiers": ["Is afraid of needles."],
    "findings": [POTASSIUM],
    "time_limit_minutes": 20,
    "is_open": False,
    "holds_feedback": False,
}


def new_scenario(author: Caller, **fields: Any) -> dict[str, Any]:
    answer = author.post("/scenarios", {**SCENARIO, **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()


def played(trainee: Caller, path: str) -> Simulation:
    """The running simulation of a scenario or an assignment that is started at this path."""
    with scripted(OPENING):
        answer = trainee.post(path)
        assert answer.status_code == 202, answer.content
        drain()
    return Simulation.objects.get(uuid=answer.json()["id"])
