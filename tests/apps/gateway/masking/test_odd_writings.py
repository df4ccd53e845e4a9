"""Personal values as machines write them, and names in any script."""

from __future__ import annotations

import pytest

from apps.gateway.masking import Finder, mask_request
from apps.gateway.masking.detectors import Kind, find_personal
from tests.apps.gateway.masking.odd_writings import HARMLESS, NAMED, NAMED_SECRETS, NOT_NAMED, ODD
from tests.apps.gateway.serving import ask

VALUES = [(kind, value) for kind, values in ODD.items() for value in values]
AROUND = (("", ""), ("Write to ", ", please."), ("(", ")"), ('"', '"'), ("x: ", "\n"), ("?q=", "&r=1"))


def found_in(text: str) -> list[tuple[str, str]]:
    return [(each.kind, text[each.start : each.end]) for each in find_personal(text)]


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_a_value_is_found_and_comes_back(kind, value):
    for before, after in AROUND:
        text = f"{before}{value}{after}"
        assert found_in(text) == [(kind, value)], (before, after)
        masked = mask_request(ask(text))
        content = masked.body["messages"][0]["content"]
        assert content == f"{before}[{kind}_1]{after}"
        assert masked.restorer.text(content) == text


@pytest.mark.parametrize(("text", "value"), NAMED_SECRETS)
def test_a_token_is_found_in_its_setting(text, value):
    assert found_in(text) == [(Kind.SECRET, value)]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_not_personal_stays_readable(text):
    for sentence in ("See {} there.", "{}", "({})"):
        assert found_in(sentence.format(text)) == []


@pytest.mark.parametrize(("term", "text", "value"), NAMED)
def test_a_listed_name_is_found_in_any_script(term, text, value):
    found = Finder((term,)).find(text)
    assert [text[each.start : each.end] for each in found] == [value]


@pytest.mark.parametrize(("term", "text"), NOT_NAMED)
def test_another_name_is_not_the_listed_one(term, text):
    assert Finder((term,)).find(text) == []


@pytest.mark.parametrize("gap", [0, 39, 41, 70, 400])
def test_a_value_is_found_wherever_the_other_numbers_are(gap):
    """Numbers are searched for around digits alone: each with what stands around it, and none twice."""
    between = f" {('lorem ' * 100)[:gap]} "
    values = ("call me at 5551234", "one 1 two", "DE89 3704 0044 0532 0130 00", "4111111111111111", "")
    text = between.join(("", *values))
    assert [value for _, value in found_in(text)] == ["5551234", "DE89 3704 0044 0532 0130 00", "4111111111111111"]
