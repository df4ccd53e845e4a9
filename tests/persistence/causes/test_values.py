"""Values by type and length."""

from __future__ import annotations

from typing import Any

import pytest

from persistence.causes.values import described, path_of


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
def test_a_value_is_told_by_type_and_length(value: Any, words: str) -> None:
    assert described(value) == words


def test_keys_that_are_no_names_are_not_shown() -> None:
    assert path_of(("lines", 3, "note")) == "lines.3.note"
    assert path_of(("by_name", "Mrs Jones")) == "by_name.<key>"
    assert path_of(()) == "all"
