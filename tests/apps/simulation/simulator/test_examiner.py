"""The simulated examiner evaluates a conversation: verdicts, a rubric with messages, and what to do next time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.simulation.orca.schemas import HotwashInitialSchema
from apps.simulation.simulator.examiner import examiner
from apps.training.demo.cases import BELLY, CHEST
from orchestration.components.prompts import as_data
from orchestration.providers.simulator.schema_values import value_for


def debriefed(case: dict[str, Any], *said: str) -> dict[str, Any]:
    """The feedback on these messages of the trainee; each gets an answer, so theirs have the odd numbers."""
    rows = []
    for position, text in enumerate(said):
        rows.append({"at": "10:00:00", "from": "trainee", "text": text, "number": 2 * position + 1})
        rows.append({"at": "10:00:01", "from": "patient", "text": "Yes.", "number": 2 * position + 2})
    instructions = "\n".join(
        [
            "You debrief a trainee after a training conversation with a simulated patient.",
            "What the patient really has:\n" + as_data(case["diagnosis"], "diagnosis"),
            "These names count, too:\n" + as_data("\n".join(case["accepted_diagnoses"]), "accepted_diagnoses"),
            "What a right plan contains:\n" + as_data("\n".join(case["treatment_points"]), "treatment_points"),
            "What tests would have found:\n" + as_data("\n".join(map(json.dumps, case["findings"])), "findings"),
        ]
    )
    message = (
        "The transcript, one JSON object per entry:\n"
        + as_data("\n".join(map(json.dumps, rows)), "transcript")
        + "\nmetrics: such as history taking, empathy, tests."
    )
    made = value_for(
        HotwashInitialSchema.strict.json_schema,
        seed=b"1",
        message=message,
        texts=[instructions, message],
        responders=(examiner,),
    )
    return HotwashInitialSchema.model_validate(made).model_dump()


THOROUGH = (
    "Hello Ms Alvarez, my name is Tom, I am a medical student. What brings you here?",
    "When did the pain start, and where does it hurt?",
    "How bad is it from 0 to 10? What makes it worse or better?",
    "Do you have a fever? Have you vomited? Any diarrhoea?",
    "Do you take any medicines, have you any allergies, and have you had any operations?",
    "Do you smoke? Does anything run in the family?",
    "Ordered: FBC, CRP, ultrasound of the belly, examine the abdomen",
    "What do you think it is, and are you worried about anything?",
    "I think you have appendicitis. You need an operation, and until then nothing to eat or drink.",
    "We give you painkillers and antibiotics. Is that all right, do you have any questions?",
)


def test_a_thorough_consultation_is_seen_as_one() -> None:
    made = debriefed(BELLY, *THOROUGH)
    assert (made["correct_diagnosis"], made["correct_treatment_plan"]) == (True, True)
    rows = {row["criterion"]: row for row in made["rubric"]}
    assert {name: row for name, row in rows.items() if row["rating"] != "met"} == {}
    assert rows["Diagnosis"]["messages"] == [17]
    assert "appendicitis" in rows["Diagnosis"]["comment"]
    assert rows["Examination and tests"]["messages"] == [13]
    assert {3, 5} <= set(rows["History of the complaint"]["messages"])
    assert made["diagnosis_named"].startswith("I think you have appendicitis.")
    assert "You wrote 9 messages with 8 questions, and ordered tests 1 time." in made["overall_feedback"]
    assert len(made["next_time"]) == 3
    assert made["patient_experience"] >= 4


def test_what_was_missed_is_what_to_do_next_time() -> None:
    made = debriefed(BELLY, "Where does it hurt?", "Go home, it is nothing.")
    assert (made["correct_diagnosis"], made["correct_treatment_plan"], made["diagnosis_named"]) == (False, False, "")
    rows = {row["criterion"]: row for row in made["rubric"]}
    assert rows["Family and daily life"] == {
        "criterion": "Family and daily life",
        "rating": "missed",
        "comment": "Family and daily life: nothing of it came up.",
        "messages": [],
    }
    assert len(made["next_time"]) == 3
    assert "Commit to a diagnosis" in " ".join(made["next_time"])
    assert len(set(made["next_time"])) == 3


@pytest.mark.parametrize(
    "said",
    [
        "This is a heart attack.",
        "You are having a STEMI, we have to act.",
        "I think it is an acute coronary syndrome",
        "Mr Brandt, this looks like a heart atack to me.",
        "It is a myocardial infarction, not a pulled muscle.",
        "Not reflux. A heart attack!",
    ],
)
def test_a_right_diagnosis_counts_in_everyday_words(said: str) -> None:
    assert debriefed(CHEST, "What brings you here?", said)["correct_diagnosis"] is True


@pytest.mark.parametrize(
    "said",
    [
        "This is heart failure.",
        "Have you ever had a heart attack?",
        "Did your father have a heart attack?",
        "This is not a heart attack.",
        "I can rule out a myocardial infarction.",
        "You have myocarditis.",
        "It is a panic attack.",
        "Your heart is fine, it is the stomach.",
        "A pulmonary infarction, I think.",
    ],
)
def test_a_wrong_one_does_not_because_it_shares_a_word(said: str) -> None:
    assert debriefed(CHEST, "What brings you here?", said)["correct_diagnosis"] is False


def test_insults_are_felt() -> None:
    rude = debriefed(CHEST, "Shut up, you idiot.", "Stop whining.")
    assert rude["patient_experience"] <= 1 < debriefed(CHEST, *THOROUGH)["patient_experience"]


def test_a_question_about_the_feedback_is_answered() -> None:
    rows = [json.dumps({"from": "trainee", "text": "Where does it hurt?", "number": 1})]
    instructions = "You debrief a trainee.\nIt was:\n" + as_data("appendicitis", "diagnosis")
    for question, expected in (
        ("What was the diagnosis?", "You did not name what it is."),
        ("Which tests should I have ordered?", "Nothing was ordered"),
        ("What can I do better?", "Next time:"),
    ):
        message = (
            f"The transcript:\n{as_data(chr(10).join(rows), 'transcript')}\nAnswer:\n{as_data(question, 'question')}"
        )
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
        made = value_for(schema, seed=b"1", message=message, texts=[instructions, message], responders=(examiner,))
        assert expected in made["answer"], question
