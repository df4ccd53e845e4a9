"""What text and JSON every database stores as they are; what it cannot store is named, or escaped so that it can.

PostgreSQL holds no NUL character, no database a half of a surrogate pair, JSON no NaN and no infinity; SQLite takes no
JSON deeper than a thousand levels, and Python neither reads nor writes integers of more than 4,300 digits.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from orchestration.errors import NotJson
from orchestration.types import JsonObject

MAX_DEPTH = 100
"""The deepest nesting of lists and objects that is accepted."""
MAX_INTEGER_BITS = 14_000
"""A little below 4,300 digits."""
NUL = "\x00"
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
TO_ESCAPE = re.compile("[\x00\ud800-\udfff\\\\]")
ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4}))")
LONGEST_PATH = 200
LEAST_WITH_EXPONENT = 1e16
SHOWN_KEYS = {int, float, bool, type(None)}
"""Types of keys that a message may show: the `repr` of any other is foreign code."""


# --- text -----------------------------------------------------------------------------------


def is_storable_text(text: str) -> bool:
    """Whether every database stores this text as it is. Twenty times as fast as the pattern, for every answer asks."""
    if NUL in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def legible(text: str, longest: int | None = None) -> str:
    r"""The text for columns, pages and messages, at most `longest` characters: `\x00` in place of a NUL character."""
    return (text if is_storable_text(text) else UNSTORABLE.sub(_code_of, text))[:longest]


def escaped(text: str) -> str:
    r"""The text with `\x00` and `\ud83d` in place of what cannot be stored, and `\\` for `\`: see `unescaped`."""
    return TO_ESCAPE.sub(_code_of, text)


def unescaped(text: str) -> str:
    """The text that was `escaped`."""
    return ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)) if found.lastindex else "\\", text)


def escaped_bytes(content: bytes) -> str:
    r"""Bytes as text: UTF-8 as far as they are, `\xNN` for every other byte and for NUL, `\\` for `\`."""
    doubled = content.replace(b"\\", b"\\\\").replace(b"\x00", b"\\x00")
    return doubled.decode("utf-8", "backslashreplace")


def _code_of(found: re.Match[str]) -> str:
    character = found[0]
    if character == "\\":
        return r"\\"
    return r"\x00" if character == NUL else f"\\u{ord(character):04x}"


# --- JSON -----------------------------------------------------------------------------------


def check_json(value: Any, path: str) -> None:
    """NotJson with the path of the first thing that is not JSON, or that JSON columns cannot hold."""
    _json(value, path, 0, _refuse)


def to_json(value: Any, path: str) -> Any:
    """The value as JSON that can be stored: datetimes, decimals, models and the like as pydantic writes them.

    NotJson with the path of the first thing that has no such form.
    """
    return _json(value, path, 0, _converted)


def is_storable_json(value: Any) -> bool:
    """Whether JSON columns hold this value exactly: as `check_json`, level by level, which every answer can afford."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if not is_storable_text(item):
                    return False
            elif isinstance(item, dict):
                if not all(isinstance(key, str) and is_storable_text(key) for key in item):
                    return False
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif not (item is None or _is_storable_number(item)):
                return False
        if not below:
            return True
        level = below
    return False


def _is_storable_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and value.bit_length() <= MAX_INTEGER_BITS


def _json(value: Any, path: str, depth: int, other: Callable[[Any, str], Any]) -> Any:
    if depth > MAX_DEPTH:
        raise NotJson(f"{_cut(path)} is nested deeper than {MAX_DEPTH} levels, or holds itself.")
    match value:
        case None | bool():
            return value
        case str():
            return _checked_text(value, path)
        case int() | float():
            return _checked_number(value, path)
        case list() | tuple():
            return [_json(item, f"{path}[{index}]", depth + 1, other) for index, item in enumerate(value)]
        case dict():
            return {
                _checked_key(key, path): _json(item, f"{path}.{key}", depth + 1, other) for key, item in value.items()
            }
    return _json(other(value, path), path, depth + 1, other)


def _checked_text(text: str, path: str) -> str:
    text = str.__str__(text)  # of an enum, say: what is stored, not what it is called
    if is_storable_text(text):
        return text
    if NUL in text:
        raise NotJson(f"{_cut(path)} holds a NUL character, which PostgreSQL cannot store.")
    raise NotJson(f"{_cut(path)} holds half of a surrogate pair, which is not valid Unicode.")


def _checked_number(number: int | float, path: str) -> int | float:
    if isinstance(number, float):
        number = float.__float__(number)
        if not math.isfinite(number):
            raise NotJson(f"{_cut(path)} is {number!r}; JSON has no such number.")
        return _as_jsonb(number)
    number = int.__int__(number)
    if number.bit_length() > MAX_INTEGER_BITS:
        raise NotJson(f"{_cut(path)} is an integer of more than four thousand digits.")
    return number


def _as_jsonb(number: float) -> float:
    """The number as PostgreSQL gives it back: without the sign of zero, and whole where Python writes an exponent.

    So a check sees the value as it will be read later, on either database.
    """
    if abs(number) >= LEAST_WITH_EXPONENT:
        return int(Decimal(repr(number)))
    return number or 0.0


def _checked_key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        shown = f"the key {key!r}" if type(key) in SHOWN_KEYS else "a key"
        raise NotJson(f"{_cut(path)} has {shown} of type {type(key).__name__}; JSON keys are text.")
    return _checked_text(key, f"A key of {path}")


def _refuse(value: Any, path: str) -> Any:
    raise NotJson(f"{_cut(path)} is a {type(value).__name__}; pass JSON (for a model instance, its primary key).")


def _converted(value: Any, path: str) -> Any:
    try:
        return to_jsonable_python(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, RecursionError):
        raise NotJson(f"{_cut(path)} is a {type(value).__name__}, which has no form in JSON.") from None


def _cut(path: str) -> str:
    return legible(path, LONGEST_PATH)


# --- what is stored in place of what cannot be ------------------------------------------------


def stored_body(content: bytes) -> JsonObject:
    r"""Bytes that no JSON column holds as JSON, in one that keeps them all: `{"$body": text, "$encoding": …}`.

    `utf-8`: the text is the body; `escaped`: it is `escaped_bytes` of it.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = NUL
    if is_storable_text(text):
        return {"$body": text, "$encoding": "utf-8"}
    return {"$body": escaped_bytes(content), "$encoding": "escaped"}


def storable_json(value: Any) -> Any:
    """The value, or, when JSON columns cannot hold it exactly, its text as a `stored_body`."""
    if is_storable_json(value):
        return value
    try:
        text = json.dumps(value, default=repr)
    except (TypeError, ValueError, RecursionError):  # keys that are not text, cycles, depth
        text = repr(type(value))
    return stored_body(text.encode("utf-8", "backslashreplace"))


def storable_texts(item: JsonObject) -> JsonObject:
    """An object of texts with those `escaped` that must be, whose names are then under `escaped`."""
    names = [name for name, text in item.items() if isinstance(text, str) and not is_storable_text(text)]
    return item | {name: escaped(item[name]) for name in names} | {"escaped": names} if names else item


def original_texts(item: JsonObject) -> JsonObject:
    """What `storable_texts` was given."""
    names = item.get("escaped", ())
    return {name: unescaped(text) if name in names else text for name, text in item.items() if name != "escaped"}
