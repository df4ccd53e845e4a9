"""Answers that no provider should send, made from one that it does."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from orchestration.types import JsonObject

ODD: tuple[Any, ...] = (None, "", "x", "9" * 50, 7, -1, 1.5, True, [], {}, [None], [[]], ["x"], {"x": None})
"""What a field may hold that should hold something else."""
Place = tuple[str | int, ...]


def odd_answers(answer: JsonObject) -> Iterator[JsonObject]:
    """The answer without each of its fields, and with each odd value in each place."""
    yield {}
    for place in places(answer):
        yield _changed(answer, place, None, drop=True)
        for value in ODD:
            yield _changed(answer, place, value, drop=False)


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place within a JSON value."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    for key in keys:
        yield (*at, key)
        yield from places(value[key], (*at, key))


def _changed(answer: JsonObject, place: Place, value: Any, *, drop: bool) -> JsonObject:
    changed = copy.deepcopy(answer)
    inside: Any = changed
    for key in place[:-1]:
        inside = inside[key]
    if drop:
        del inside[place[-1]]
    else:
        inside[place[-1]] = copy.deepcopy(value)
    return changed
