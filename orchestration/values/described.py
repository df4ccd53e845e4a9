"""A value by its type and length: all that may be said of content."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

NOTHING = "nothing"
"""What is said of an empty value."""
NAME = re.compile(r"[A-Za-z_][\w-]{0,63}\Z")


def described(value: Any) -> str:
    """`text of 140 characters`, `list of 3`, `number of 12 digits`, `nothing`."""
    match value:
        case None:
            return NOTHING
        case bool():
            return "a truth value"
        case str():
            return f"text of {_count(len(value), 'character')}"
        case bytes():
            return f"{_count(len(value), 'byte')}"
        case int():
            return f"{'a negative ' if value < 0 else 'a '}number of {_count(len(str(abs(value))), 'digit')}"
        case list() | tuple():
            return f"list of {len(value)}"
        case dict():
            return f"object with {_count(len(value), 'key')}"
    return f"a {type(value).__name__}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def path_of(location: tuple[int | str, ...]) -> str:
    """The path of a field. A key that is not a name may come from the answer itself, and is not shown."""
    names = [str(part) if isinstance(part, int) or NAME.match(part) else "<key>" for part in location]
    return ".".join(names) or "all"


def shapes(values: Iterable[Any]) -> str:
    """What many values have in common: `text of 12 to 480 characters (48 of 50), nothing (2 of 50)`; empty without any.

    For saying how one value differs from those that went well.
    """
    sizes: dict[str, list[int]] = {}
    for value in values:
        kind, size = _measured(value)
        sizes.setdefault(kind, []).append(size)
    return _said(sizes)


def _said(sizes: dict[str, list[int]]) -> str:
    total = sum(map(len, sizes.values()))
    ordered = sorted(sizes.items(), key=lambda each: -len(each[1]))
    whole = len(ordered) == 1
    return ", ".join(_range(kind, found) + ("" if whole else f" ({len(found)} of {total})") for kind, found in ordered)


def lengths(measured: Iterable[int | None]) -> str:
    """`shapes` of texts of these lengths; None is not a text."""
    found = list(measured)
    sizes = {"text": [length for length in found if length is not None], NOTHING: [0] * found.count(None)}
    return _said({kind: each for kind, each in sizes.items() if each})


def _measured(value: Any) -> tuple[str, int]:
    """The kind of a value, as `UNITS` names it, and its size."""
    match value:
        case None:
            return NOTHING, 0
        case bool():
            return "a truth value", 0
        case str():
            return "text", len(value)
        case int():
            return "number", len(str(abs(value)))
        case list() | tuple():
            return "list", len(value)
        case dict():
            return "object", len(value)
    return f"a {type(value).__name__}", 0


UNITS = {"text": "characters", "number": "digits", "list": "items", "object": "keys"}


def _range(kind: str, sizes: list[int]) -> str:
    if kind not in UNITS:
        return kind
    least, most = min(sizes), max(sizes)
    return f"{kind} of {least:,} to {most:,} {UNITS[kind]}" if least != most else f"{kind} of {most:,} {UNITS[kind]}"
