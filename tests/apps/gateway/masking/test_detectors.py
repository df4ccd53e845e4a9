"""Personal values are found in every writing, and what looks like them stays readable."""

from __future__ import annotations

import json
import re
import sys

import pytest

from apps.gateway.masking.detectors import Kind, find_personal
from tests.apps.gateway.masking.values import (
    HARMLESS,
    NAMED_IDS,
    NAMED_PHONES,
    NAMED_SECRETS,
    PERSONAL,
)

AROUND = (
    ("", ""),
    ("Write to ", ", please."),
    ("(", ")"),
    ('"', '"'),
    ("x: ", "\n"),
    ("\u8bf7\u8054\u7cfb ", "\u3002"),
)
VALUES = [(kind, value.strip("\u200b")) for kind, values in PERSONAL.items() for value in values]
NAMED = [(Kind.PHONE, text) for text in NAMED_PHONES] + [(Kind.ID, text) for text in NAMED_IDS]


def found_in(text: str) -> list[tuple[str, str]]:
    return [(each.kind, text[each.start : each.end]) for each in find_personal(text)]


def test_the_lists_are_long_enough():
    assert len({value for _, value in VALUES}) + len(NAMED) + len(NAMED_SECRETS) > 250
    assert len(set(HARMLESS)) > 150


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_a_value_is_found_whatever_stands_around_it(kind, value):
    for before, after in AROUND:
        assert found_in(f"{before}{value}{after}") == [(kind, value)], (before, after)


@pytest.mark.parametrize(("kind", "text"), NAMED)
def test_fewer_digits_are_found_beside_their_name(kind, text):
    value = text[re.search(r"\(?\d", text).start() :]
    assert [each for _, each in found_in(text)] == [value]


@pytest.mark.parametrize(("text", "value"), NAMED_SECRETS)
def test_a_password_is_found_in_its_setting(text, value):
    assert found_in(text) == [(Kind.SECRET, value)]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_personal_stays_readable(text):
    for sentence in ("See {} there.", "{}", "It is {},", "value: {}\n", "({})", "\u6570\u503c {}\u3002"):
        assert found_in(sentence.format(text) if "{" not in text else sentence.replace("{}", text)) == []


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_a_value_is_found_in_quoted_json(kind, value):
    """As escapes and all, however deep they are quoted."""
    once = json.dumps({"text": f"so:\n{value}\nand"})
    for text in (once, json.dumps({"text": once})):
        found = found_in(text)
        assert [each for each, _ in found] == [kind]


HOSTILE = (
    *("12 34 56 ", "1 ", "1", "86095742718 ", "4111 1111 1111 1112 ", "a.a@a.", "aA1-", "eyJaaaaaaaaaaaaaaaaa.a."),
    *("-----BEGIN A-----", "aa://a:", "DE89 3704 0044 0532 0130 01 ", "password=a", "\\n1", "+1 ", "+49 176 12345678 "),
    *("01 23 ", "1.2.3.4.", "a:1:", "tel 1234567, ", "\u8bf71", "123456789, ", "a'", "\\\\", '"', "[", "00 1 "),
)


class Steps:
    """Counts the events of Python's own code while it runs."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: object, event: str, arg: object) -> None:
        self.count += 1


def steps(text: str) -> int:
    """Calls of functions, those of libraries and built-in ones included, that a search takes."""
    counted = Steps()
    sys.setprofile(counted)
    try:
        find_personal(text)
    finally:
        sys.setprofile(None)
    return counted.count


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_search_takes_steps_in_proportion_to_the_text(unit):
    size = 4_000
    once, twice = (steps((unit * size)[:length]) for length in (size, 2 * size))
    assert twice <= 2.2 * once + 200


@pytest.mark.parametrize("unit", ["1", "aA1-", "\\", '"', "[", "a'"])
def test_a_megabyte_of_one_sign_is_searched(unit):
    """A pattern that goes back over the text for each sign would not end within the time of a test."""
    assert find_personal((unit * 1_000_000)[:1_000_000]) == []
