"""Texts that match a regular expression, for the simulator: the parts of the language that schemas use."""

from __future__ import annotations

import random
import re
from re import _parser  # type: ignore[attr-defined, unused-ignore]  # the only parser of Python's own pattern language
from typing import Any

MOST_REPEATS = 8
"""Above the minimum of an open repetition such as `+`."""
TRIES = 50


def text_matching(pattern: str, rng: random.Random) -> str | None:
    """A short text in which `pattern` is found, or None when none came up (look-arounds, contradictions)."""
    try:
        compiled, parsed = re.compile(pattern), _parser.parse(pattern)
    except re.error:
        return None
    for _ in range(TRIES):
        text = _sequence(parsed, rng)
        if compiled.search(text):
            return text
    return None


def _sequence(parsed: Any, rng: random.Random) -> str:
    return "".join(_part(str(operation), argument, rng) for operation, argument in parsed)


def _part(operation: str, argument: Any, rng: random.Random) -> str:
    match operation:
        case "LITERAL":
            return chr(argument)
        case "NOT_LITERAL":
            return "x" if argument != ord("x") else "y"
        case "ANY":
            return rng.choice("abcdefXYZ0189")
        case "IN":
            return _one_of(argument, rng)
        case "BRANCH":
            return _sequence(rng.choice(argument[1]), rng)
        case "SUBPATTERN":
            return _sequence(argument[3], rng)
        case "ATOMIC_GROUP":
            return _sequence(argument, rng)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            fewest, most, repeated = argument
            times = rng.randint(fewest, min(int(most), fewest + MOST_REPEATS))
            return "".join(_sequence(repeated, rng) for _ in range(times))
        case _:  # anchors and look-arounds take no room; text_matching checks them
            return ""


def _one_of(members: Any, rng: random.Random) -> str:
    listed = [(str(operation), argument) for operation, argument in members]
    if listed[0][0] == "NEGATE":
        barred = re.compile("|".join(_as_class(*member) for member in listed[1:]))
        return next((character for character in "xyz0_ -A" if not barred.fullmatch(character)), "x")
    operation, argument = rng.choice(listed)
    if operation == "RANGE":
        return chr(rng.randint(*argument))
    if operation == "CATEGORY":
        return _in_category(str(argument), rng)
    return chr(argument)


def _as_class(operation: str, argument: Any) -> str:
    if operation == "RANGE":
        return f"[{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}]"
    if operation == "CATEGORY":
        name = str(argument)
        letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name.rsplit("_", 1)[-1]]
        return f"\\{letter.upper() if '_NOT_' in name else letter}"
    return re.escape(chr(argument))


def _in_category(name: str, rng: random.Random) -> str:
    choices = {
        "CATEGORY_DIGIT": "0123456789",
        "CATEGORY_SPACE": " ",
        "CATEGORY_WORD": "abcdefghijklmnop",
        "CATEGORY_NOT_DIGIT": "abc",
        "CATEGORY_NOT_SPACE": "abc123",
        "CATEGORY_NOT_WORD": "-. ",
    }
    return rng.choice(choices[name])
