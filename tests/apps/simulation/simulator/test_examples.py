"""Questions are known by the examples that they resemble."""

from __future__ import annotations

import pytest

from apps.simulation.simulator.examples import Examples, labelled_texts
from apps.simulation.simulator.leading import LEADING, leads
from apps.simulation.simulator.questions import understood
from apps.simulation.simulator.stems import root
from apps.simulation.simulator.tables import INTENTS, TOPICS

EXAMPLES = Examples(
    {
        "Sleep": ["how did you sleep", "are you a good sleeper"],
        "Smoking": ["do you smoke", "how many cigarettes a day"],
    },
    {"cigarettes": "smoke", "smoke": "smoke"},
)


@pytest.mark.parametrize(
    ("question", "label"),
    [("were you sleeping well", "Sleep"), ("any smoking", "Smoking"), ("cigarettes and you", "Smoking")],
)
def test_a_question_is_nearest_to_its_like(question: str, label: str) -> None:
    assert EXAMPLES.guesses(question)[0].name == label


def test_words_of_no_example_say_nothing() -> None:
    assert EXAMPLES.guesses("bicycles") == []


def test_every_label_is_a_topic_or_an_intent() -> None:
    assert labelled_texts().keys() <= TOPICS.keys() | INTENTS.keys()
    assert {first for first, _ in LEADING} <= TOPICS.keys()


def test_an_example_belongs_to_one_label() -> None:
    """The same sentence under two labels would count for neither."""
    labels: dict[str, set[str]] = {}
    for label, texts in labelled_texts().items():
        for text in texts:
            labels.setdefault(text, set()).add(label)
    assert {text: named for text, named in labels.items() if len(named) > 1} == {}


def test_one_topic_of_several_leads() -> None:
    assert leads("Sick contacts", "Home")
    assert not leads("Home", "Sick contacts")
    (clause,) = understood("Are any of your friends poorly as well?")
    assert "Sick contacts" in clause.named(3)


def test_forms_of_a_word_have_one_root() -> None:
    assert root("sweating") == root("sweaty") == root("sweats")
