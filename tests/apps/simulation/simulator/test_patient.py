"""The simulated patient answers from a prompt's data: in character, about the question, never the same, repeatable."""

from __future__ import annotations

import json
from typing import Any

from apps.simulation.simulator.patient import patient
from orchestration.components.prompts import as_data
from orchestration.providers.simulator.schema_values import value_for

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
    return value_for(REPLY, seed=bytes([seed]), message=message, texts=[INSTRUCTIONS, message], responders=(patient,))


def test_it_answers_from_the_facts_and_keeps_its_secret():
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
    assert "music" not in answers["Do you like music?"].lower()
    assert len(set(answers.values())) == len(answers)
    everything = json.dumps(conversation[1::2]) + json.dumps(list(answers.values()))
    assert "myocardial" not in everything
    assert "money" not in everything
    assert "simulated" not in everything.lower()


def test_seeds_vary_the_words_but_not_the_fact():
    said = {ask("Do you smoke?", [], seed)["messages"][0]["text"] for seed in range(20)}
    assert len(said) > 2
    assert [text for text in said if "I smoke ten cigarettes a day." not in text] == []


def test_without_a_story_the_reason_is_all_it_knows():
    instructions = f"You play a guest.\nWhy you came:\n{as_data('belly pain since last night', 'reason')}"
    message = f"Reply:\n{as_data('Where does it hurt, and when did it start?', 'said')}"
    said = value_for(REPLY, seed=b"1", message=message, texts=[instructions, message], responders=(patient,))[
        "messages"
    ][0]["text"]
    assert "I have belly pain since last night." in said


def test_two_remarks_after_one_answer_differ():
    schema = {"type": "array", "minItems": 6, "items": {"type": "object", "properties": {"text": {"type": "string"}}}}
    message = f"Reply:\n{as_data('Do you smoke?', 'said')}"
    said = value_for(schema, seed=b"1", message=message, texts=[INSTRUCTIONS, message], responders=(patient,))
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
    made = value_for(schema, seed=b"1", message=opening, texts=[INSTRUCTIONS, opening], responders=(patient,))
    assert "pressure in the chest" in made["messages"][0]["text"]
    facts = {fact["key"]: (fact["kind"], fact["value"]) for fact in made["metadata"]}
    assert facts["age"] == ("demographics", "52")
    assert facts["sex"] == ("demographics", "female")
    assert facts["occupation"] == ("demographics", "bus driver")
