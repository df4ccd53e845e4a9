"""Values by type and length."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.values.described import described, lengths, path_of, shapes


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "a truth value"),
        ("", "text of 0 characters"),
        ("a" * 1200, "text of 1,200 characters"),
        (b"a", "1 byte"),
        (-7, "a negative number of 1 digit"),
        ([1, 2], "list of 2"),
        ({"secret": 1}, "object with 1 key"),
        (1.5, "a float"),
    ],
)
def test_a_value_is_described_by_type_and_length(value: Any, words: str) -> None:
    assert described(value) == words


def test_keys_that_are_no_names_are_not_shown() -> None:
    assert path_of(("lines", 3, "note")) == "lines.3.note"
    assert path_of(("by_name", "Mrs Jones")) == "by_name.<key>"
    assert path_of(()) == "all"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], ""),
        (["abc", "a"], "text of 1 to 3 characters"),
        (["a", "b"], "text of 1 characters"),
        ([1, -20, None], "number of 1 to 2 digits (2 of 3), nothing (1 of 3)"),
        ([True, [1], {"secret": 1}, 1.5], "a truth value (1 of 4), list of 1 items (1 of 4)"),
    ],
)
def test_many_values_are_described_by_what_they_share(values: list[Any], words: str) -> None:
    assert shapes(values).startswith(words)
    assert "secret" not in shapes(values)


def test_texts_that_the_database_measured_are_described_alike() -> None:
    assert lengths([3, 1]) == "text of 1 to 3 characters"
    assert lengths([3, None]) == "text of 3 characters (1 of 2), nothing (1 of 2)"
    assert lengths([]) == ""
