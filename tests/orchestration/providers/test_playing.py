"""The simulator plays a role from a prompt's data: in character, about the question, never the same, and repeatable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.prompts import as_data
from orchestration.providers.generate import value_for
from orchestration.providers.speech import about, as_own_story

STORY = (
    "Nora is 52 years old and works as a bus driver. This morning she felt a pressure in her chest while climbing "
    "stairs. It moved into her left arm. She takes a tablet for her blood pressure. She has no allergies. "
    "She smokes ten cigarettes a day. Her father had a heart attack."
)
INSTRUCTIONS = "\n".join(
    [
        "You play a guest who is interviewed for practice.\nYour name:",
        as_data("Nora Lind", "guest_name"),
        "Stay in the role.\nYour situation:",
        as_data(STORY, "scenario"),
        "How you are to be played:",
        as_data("Is impatient and talks about money.", "role"),
        "Why you came:",
        as_data("pressure in the chest", "reason"),
        "Never name it, not even when asked:",
        as_data("myocardial infarction", "hidden"),
        "You can show pictures of yourself:",
        as_data("the place where it presses", "pictures"),
    ]
)
REPLY = {
    "type": "object",
    "properties": {
        "image_requested": {"type": "boolean"},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        },
    },
    "required": ["image_requested", "messages"],
}


def ask(question: str, before: list[dict[str, str]], seed: int = 1) -> dict[str, Any]:
    said = as_data("\n".join(map(json.dumps, before)), "conversation") if before else ""
    message = f"So far:\n{said}\n\nReply to what is said now:\n{as_data(question, 'said')}"
    return value_for(REPLY, seed=bytes([seed]), message=message, texts=[INSTRUCTIONS, message])


def test_it_answers_from_the_facts_and_refers_to_the_question():
    conversation: list[dict[str, str]] = []
    answers = {}
    for question in (
        "Hello, when did it start?",
        "Do you have any allergies?",
        "Do you smoke?",
        "Do you take tablets?",
        "When did it start?",
        "Do you like music?",
        "Is it an infarction?",
        "I will listen to your heart now.",
    ):
        texts = [part["text"] for part in ask(question, conversation)["messages"]]
        assert texts == [part["text"] for part in ask(question, conversation)["messages"]]  # by its seed
        answers[question] = texts[0]
        conversation += [{"from": "host", "text": question}, *({"from": "guest", "text": text} for text in texts)]
    assert "This morning I felt a pressure in my chest" in answers["Hello, when did it start?"]
    assert "I have no allergies." in answers["Do you have any allergies?"]
    assert "I smoke ten cigarettes a day." in answers["Do you smoke?"]
    assert "I take a tablet for my blood pressure." in answers["Do you take tablets?"]
    assert "music" in answers["Do you like music?"].lower()
    assert len(set(answers.values())) == len(answers)
    everything = json.dumps(conversation[1::2]) + json.dumps(list(answers.values()))
    assert "myocardial" not in everything
    assert "money" not in everything
    assert "simulated" not in everything.lower()


def test_seeds_vary_the_words_but_not_the_fact():
    said = {ask("Do you smoke?", [], seed)["messages"][0]["text"] for seed in range(20)}
    assert len(said) > 2
    assert all("I smoke ten cigarettes a day." in text for text in said)


def test_without_a_story_the_reason_is_all_it_knows():
    instructions = f"You play a guest.\nWhy you came:\n{as_data('belly pain since last night', 'reason')}"
    message = f"Reply:\n{as_data('Where does it hurt, and when did it start?', 'said')}"
    said = value_for(REPLY, seed=b"1", message=message, texts=[instructions, message])["messages"][0]["text"]
    assert "I have belly pain since last night." in said


def test_two_remarks_after_one_answer_differ():
    schema = {"type": "array", "minItems": 6, "items": {"type": "object", "properties": {"text": {"type": "string"}}}}
    message = f"Reply:\n{as_data('Do you smoke?', 'said')}"
    said = value_for(schema, seed=b"1", message=message, texts=[INSTRUCTIONS, message])
    assert len({part["text"] for part in said}) == 6


def test_what_brings_you_here_is_the_reason():
    assert "pressure in the chest" in ask("Good morning, what brings you here?", [])["messages"][0]["text"]


def test_it_shows_something_when_asked_to():
    assert ask("Can you show me the place?", [])["image_requested"] is True
    assert ask("Do you smoke?", [])["image_requested"] is False


def test_it_opens_with_its_reason_and_states_what_is_listed():
    opening = "Begin. In metadata give the facts about yourself (age, sex, occupation, relevant history)."
    row = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["demographics", "history"]},
            "key": {"type": "string"},
            "value": {"type": "string"},
        },
        "required": ["kind", "key", "value"],
    }
    schema = {**REPLY, "properties": {**REPLY["properties"], "metadata": {"type": "array", "items": row}}}
    schema["required"] = [*REPLY["required"], "metadata"]
    made = value_for(schema, seed=b"1", message=opening, texts=[INSTRUCTIONS, opening])
    assert "pressure in the chest" in made["messages"][0]["text"]
    facts = {fact["key"]: (fact["kind"], fact["value"]) for fact in made["metadata"]}
    assert facts["age"] == ("demographics", "52")
    assert facts["sex"] == ("demographics", "female")
    assert facts["occupation"] == ("demographics", "bus driver")
    assert facts["relevant history"][0] == "history"


def test_what_is_ordered_comes_from_the_records():
    record = {"kind": "lab_result", "key": "Troponin", "value": "0.9", "unit": "ng/ml", "flag": "high"}
    instructions = f"You are a laboratory.\nFixed:\n{as_data(json.dumps(record), 'findings')}"
    message = "Ordered:\n" + as_data("troponin\nChest X-ray", "order")
    names = ("kind", "key", "value", "unit", "flag")
    properties: dict[str, Any] = {name: {"type": "string"} for name in names}
    properties |= {
        "kind": {"enum": ["lab_result", "radiology_result"], "type": "string"},
        "flag": {"enum": ["normal", "high"], "type": "string"},
    }
    item = {"type": "object", "properties": properties, "required": list(names)}
    schema = {"type": "object", "properties": {"results": {"type": "array", "items": item}}, "required": ["results"]}
    made = value_for(schema, seed=b"1", message=message, texts=[instructions, message])["results"]
    assert made[0] == record
    assert (made[1]["kind"], made[1]["key"], made[1]["flag"]) == ("radiology_result", "Chest X-ray", "normal")
    assert len(made) == 2


def test_it_judges_what_was_said():
    said = [
        ("host", "Where does it hurt?"),
        ("guest", "Here."),
        ("host", "It is an infarction. We admit and treat you."),
    ]
    rows = "\n".join(json.dumps({"from": who, "text": text}) for who, text in said)
    instructions = f"You debrief a host.\nIt was:\n{as_data('myocardial infarction', 'diagnosis')}"
    message = f"The transcript:\n{as_data(rows, 'transcript')}\nmetrics: such as history taking, empathy."
    kinds = {"correct_diagnosis": "boolean", "correct_treatment_plan": "boolean", "overall_feedback": "string"}
    properties: dict[str, Any] = {name: {"type": kind} for name, kind in kinds.items()}
    properties["experience"] = {"type": "integer", "minimum": 0, "maximum": 5}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    made = value_for(schema, seed=b"1", message=message, texts=[instructions, message])
    assert made["correct_diagnosis"] is True
    assert made["correct_treatment_plan"] is True
    assert "2 messages with 1 question" in made["overall_feedback"]
    assert "where it is" in made["overall_feedback"]
    assert "medicines and allergies" in made["overall_feedback"] or "when it began" in made["overall_feedback"]
    assert 1 <= made["experience"] <= 4


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("Hello, where does it hurt?", "where it hurts"),
        ("When did the pain start?", "when the pain started"),
        ("Do you smoke?", "smoke"),
        ("Have you had any operations before?", "operations before"),
        ("I see.", ""),
    ],
)
def test_what_a_question_is_about(question: str, topic: str):
    assert about(question) == topic


@pytest.mark.parametrize(
    ("told", "own"),
    [
        ("The guest has a cough and feels weak.", "I have a cough and feel weak."),
        ("You woke up and your arm hurt.", "I woke up and my arm hurt."),
        ("His wife found him on the floor.", "My wife found me on the floor."),
        ("Nora never drinks.", "I never drink."),
        ("Fever since yesterday.", "Fever since yesterday."),
    ],
)
def test_a_story_is_told_in_the_first_person(told: str, own: str):
    assert as_own_story(told, ("Nora Lind", "Nora", "guest")) == own
