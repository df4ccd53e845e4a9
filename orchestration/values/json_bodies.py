"""JSON from outside, read in one way: as RFC 8259 has it, in UTF-8, and nested no deeper than anything needs."""

from __future__ import annotations

import json
from typing import Any

import orjson

from orchestration.values.sanitize import MAX_DEPTH

LONGEST_INTEGER = 2**63
"""From here on orjson may read an integer as a float, which has other digits."""


class NotReadable(ValueError):
    """This JSON is not accepted; the message says why and where, without quoting it."""


def read_json(raw: bytes | str, *, exact_integers: bool = False) -> Any:
    """The value; NotReadable for anything but JSON: no NaN, no infinity, no lone surrogates, no byte-order mark.

    An integer of more than 64 bits is a float, unless `exact_integers` are wanted.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise NotReadable(str(error)) from None
    has_long, level = _is_long(value), [value]
    for _ in range(MAX_DEPTH):
        inside = [inner for outer in level for inner in _inside(outer)]
        has_long = has_long or any(map(_is_long, inside))
        level = [inner for inner in inside if isinstance(inner, dict | list)]
        if not level:
            return _with_integers(raw) if has_long and exact_integers else value
    raise NotReadable(f"nested deeper than {MAX_DEPTH} levels")


def write_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """JSON in UTF-8. Integers keep their digits; halves of surrogate pairs are written as escapes, which join to whole
    characters again."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), sort_keys=sort_keys).encode()


def _with_integers(raw: bytes | str) -> Any:
    """What orjson has read, with integers as they are written."""
    try:
        return json.loads(raw)
    except ValueError as error:
        raise NotReadable(str(error).partition(";")[0]) from None


def _is_long(value: Any) -> bool:
    return isinstance(value, float) and abs(value) >= LONGEST_INTEGER


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
