"""A story told as one's own."""

from __future__ import annotations

import pytest

from apps.simulation.simulator.english import as_advice, as_own_story, sentences


@pytest.mark.parametrize(
    ("told", "own"),
    [
        ("The guest has a cough and feels weak.", "I have a cough and feel weak."),
        ("You woke up and your arm hurt.", "I woke up and my arm hurt."),
        ("His wife found him on the floor.", "My wife found me on the floor."),
        ("Nora never drinks.", "I never drink."),
        ("Fever since yesterday.", "Fever since yesterday."),
        ("She lives with her husband, who brought her here.", "I live with my husband, who brought me here."),
        ("Nobody around her is ill.", "Nobody around me is ill."),
        ("He does no sport and sits all day at work.", "I do no sport and sit all day at work."),
        ("Her back hurts her when she walks.", "My back hurts me when I walk."),
    ],
)
def test_a_story_is_told_in_the_first_person(told: str, own: str):
    assert as_own_story(told, ("Nora Lind", "Nora", "guest")) == own


def test_a_story_falls_into_sentences_with_an_end():
    assert sentences("She coughs. No fever;  it hurts\nbadly!") == ["She coughs.", "No fever.", "it hurts.", "badly!"]


@pytest.mark.parametrize(
    ("assessed", "advice"),
    [
        ("Introduces herself or himself", "Introduce yourself."),
        ("Asks about vomiting, fever and the last period.", "Ask about vomiting, fever and the last period."),
        ("Listens to the heart and explains the plan", "Listen to the heart and explain the plan."),
        ("Auscultates both lungs", "Auscultate both lungs."),
        ("Allergies asked", "Think of this: allergies asked."),
        ("Medicines and allergies", "Think of this: medicines and allergies."),
        ("A safe discharge", "Think of this: a safe discharge."),
    ],
)
def test_what_is_assessed_becomes_advice(assessed: str, advice: str):
    assert as_advice(assessed) == advice
