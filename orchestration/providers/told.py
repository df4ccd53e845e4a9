"""Constraints that a schema only tells in words, as strict adaptation leaves them in descriptions."""

from __future__ import annotations

import re

from orchestration.strict import IN_WORDS
from orchestration.types import JsonObject

OPENINGS = "|".join(re.escape(words.partition("{}")[0]) for words in IN_WORDS.values())
BRACKET = re.compile(rf"\(((?:{OPENINGS}).*)\)$", re.DOTALL)


def _pattern(key: str, words: str) -> re.Pattern[str]:
    value = r"(\d+)" if key.endswith("Length") else "(.+?)"
    return re.compile(re.escape(words).replace(r"\{\}", value) + rf"(?=, (?:{OPENINGS})|$)", re.DOTALL)


TOLD = {key: _pattern(key, words) for key, words in IN_WORDS.items()}


def with_told(schema: JsonObject) -> JsonObject:
    """The schema with the constraints in its description's closing bracket, which the answer is checked against."""
    bracket = BRACKET.search(schema.get("description", ""))
    if bracket is None:
        return schema
    found = {key: pattern.search(bracket[1]) for key, pattern in TOLD.items()}
    return schema | {key: _value(key, match) for key, match in found.items() if match is not None}


def _value(key: str, match: re.Match[str]) -> bool | int | str:
    if key == "uniqueItems":
        return True
    return int(match[1]) if key.endswith("Length") else match[1]
