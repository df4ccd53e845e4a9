"""Constraints that a strict schema states only in its descriptions."""

from __future__ import annotations

import re
from typing import Any

import orjson

from orchestration.components.strict_schema import BRACKET, IN_WORDS, OPENINGS
from orchestration.types import JsonObject

TEXTS = frozenset({"pattern", "format", "uniqueItems"})
"""Constraints whose value is not a number."""


def _pattern(key: str, words: str) -> re.Pattern[str]:
    value = "(.+?)" if key in TEXTS else r"(-?[\d.]+(?:e[+-]?\d+)?)"
    return re.compile(re.escape(words).replace(r"\{\}", value) + rf"(?=, (?:{OPENINGS})|$)", re.DOTALL)


PATTERNS = {key: _pattern(key, words) for key, words in IN_WORDS.items()}


def with_described_limits(schema: JsonObject) -> JsonObject:
    """The schema with the constraints in the closing bracket of its description, which validation checks."""
    bracket = BRACKET.search(schema.get("description", ""))
    if bracket is None:
        return schema
    found = {key: pattern.search(bracket[1]) for key, pattern in PATTERNS.items()}
    return schema | {key: _value(key, match) for key, match in found.items() if match is not None}


def _value(key: str, match: re.Match[str]) -> Any:
    if key == "uniqueItems":
        return True
    return match[1] if key in TEXTS else orjson.loads(match[1])
