"""Texts made to match a regular expression."""

from __future__ import annotations

import random
import re

import pytest

from orchestration.providers.simulator.pattern_values import text_matching

PATTERNS = [
    r"^[A-Z]{2}-\d{4}$",
    r"\w+@\w+\.(com|org)",
    r"^[^a-z\s]{3}$",
    r"^[^\d]+$",
    r"^[^\W]$",
    r"^[\s\S]$",
    r"^\D\W\S$",
    r"^[^x]$",
    r"^[^y]y?$",
    r"^(?:ab|cd)*?$",
    r"^(?>a|b)c$",
    r"^a++$",
    r"^.{3,}$",
    r"^(?=.*[A-Z])(?=.*\d).{8,}$",
    r"^\d{1,3}(,\d{3})*$",
    r"(?i)^yes$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_matches_its_pattern_whatever_the_dice_say(pattern: str) -> None:
    for seed in range(30):
        text = text_matching(pattern, random.Random(seed))
        assert text is not None
        assert re.search(pattern, text)


@pytest.mark.parametrize("pattern", ["(unclosed", "(?=a)b", "a^"])
def test_a_pattern_that_nothing_matches_gives_nothing(pattern: str) -> None:
    assert text_matching(pattern, random.Random(1)) is None
