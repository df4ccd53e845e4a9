"""What a person changed in an answer: value by value, old beside new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from orchestration.values.sanitize import legible

MOST_CHANGES = 100
LONGEST_VALUE = 2000
NOT_THERE = object()


def answer_changes(before: Any, after: Any) -> list[tuple[str, str, str]]:
    """(place, old, new) of the first MOST_CHANGES values that differ."""
    found = []
    for change in _changes(before, after, ""):
        found.append(change)
        if len(found) == MOST_CHANGES:
            break
    return found


def _changes(before: Any, after: Any, place: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            inner = f"{place}.{name}" if place else str(name)
            yield from _changes(before.get(name, NOT_THERE), after.get(name, NOT_THERE), inner)
    elif isinstance(before, list) and isinstance(after, list):
        for at in range(max(len(before), len(after))):
            old, new = (each[at] if at < len(each) else NOT_THERE for each in (before, after))
            yield from _changes(old, new, f"{place}.{at + 1}" if place else str(at + 1))
    elif type(before) is not type(after) or before != after:
        yield legible(place), _text(before), _text(after)


def _text(value: Any) -> str:
    if value is NOT_THERE:
        return ""
    return legible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), LONGEST_VALUE)
