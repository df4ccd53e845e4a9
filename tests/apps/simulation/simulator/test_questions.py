"""The simulated patient answers what students ask, in their words, to the point and in character."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from apps.simulation.clinical.naming import known_names
from apps.training.demo.cases import BELLY, CASES, CHEST, RASH
from tests.apps.simulation.simulator.talking import Strangers, Talk

pytestmark = pytest.mark.django_db
ASKED = Path(__file__).with_name("asked")
BY_FILE = {"belly": BELLY, "chest": CHEST, "rash": RASH}
OUT_OF_CHARACTER = re.compile(
    r"\b(?:simulat\w*|language model|AI|prompt|role|scenario|trainee|standardi[sz]ed|json|he is|she is|None)\b|[{}<>_]"
)


def rows(name: str) -> list[tuple[str, str]]:
    lines = (ASKED / f"{name}.txt").read_text().splitlines()
    pairs = (line.partition(" => ") for line in lines if line and not line.startswith("#"))
    return [(question.strip(), expected.strip()) for question, _, expected in pairs]


def fits(answer: str, expected: str) -> bool:
    if expected.startswith("!"):
        return expected[1:].lower() not in answer.lower()
    return all(any(each.lower() in answer.lower() for each in one.split("|")) for one in expected.split(" & "))


def assert_in_character(answer: str, case: dict[str, Any]) -> None:
    assert not OUT_OF_CHARACTER.search(answer), answer
    spoken = f" {re.sub('[^a-z ]', ' ', answer.lower())} "
    leaks = [
        name for name in known_names(case["diagnosis"], case["accepted_diagnoses"]) if f" {name.lower()} " in spoken
    ]
    assert [name for name in leaks if name != "the appendix"] == [], answer


def test_the_list_is_long_and_has_no_question_twice() -> None:
    asked = [(name, question) for name in BY_FILE for question, _ in rows(name)]
    assert len(asked) > 150
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("name", BY_FILE)
def test_questions_are_answered_to_the_point(name: str) -> None:
    case, missed = BY_FILE[name], []
    strangers = Strangers(case)
    for question, expected in rows(name):
        answer = strangers.ask(question)
        assert_in_character(answer, case)
        if not fits(answer, expected):
            missed.append(f"{question} -> {answer}")
    assert not missed, "\n".join(missed)


def test_nine_of_ten_fresh_questions_are_answered_to_the_point() -> None:
    asked, missed = 0, []
    for name, case in BY_FILE.items():
        strangers = Strangers(case)
        for question, expected in rows(f"fresh/{name}"):
            answer, asked = strangers.ask(question), asked + 1
            assert_in_character(answer, case)
            if not fits(answer, expected):
                missed.append(f"{question} -> {answer}")
    assert asked == 101
    assert 10 * len(missed) <= asked, "\n".join(missed)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ASKED / "odd").glob("*.txt")))
@pytest.mark.sampled(2)
def test_odd_wording_is_answered_to_the_point(name: str) -> None:
    """Nine of ten questions of each list, and nothing is said out of character."""
    asked, missed = rows(f"odd/{name}"), []
    patients = {case: Strangers(BY_FILE[case]) for case in BY_FILE}
    for line, expected in asked:
        case, _, question = line.partition(": ")
        answer = patients[case].ask(question)
        assert_in_character(answer, BY_FILE[case])
        if not fits(answer, expected):
            missed.append(f"{line} -> {answer}")
    assert len(asked) >= 50
    assert 10 * len(missed) <= len(asked), "\n".join(missed)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["key"]))
def test_nothing_brings_it_out_of_character(case: dict[str, Any]) -> None:
    missed, strangers = [], Strangers(case)
    for question, expected in rows("anything"):
        answer = strangers.ask(question)
        assert_in_character(answer, case)
        if not fits(answer, expected):
            missed.append(f"{question} -> {answer}")
    assert not missed, "\n".join(missed)


@pytest.mark.long
@pytest.mark.parametrize("name", BY_FILE)
def test_a_whole_list_in_one_conversation_stays_in_character(name: str) -> None:
    case, talk = BY_FILE[name], Talk(BY_FILE[name])
    answers = []
    for question, _ in [*rows(name), *rows("anything")]:
        answers.append(talk.ask(question))
        assert_in_character(answers[-1], case)
    assert len(set(answers)) > 0.8 * len(answers), "it varies"
