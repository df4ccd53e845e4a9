"""A provider's bytes, read as far as they can be: every answer is paid for, also one that JSON's grammar refuses."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson

from orchestration.types import JsonObject
from orchestration.values.sanitize import MAX_DEPTH, is_storable_json, stored_body

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
MOST_PLACES = 8
"""Where counts are looked for in text that is not JSON, from its end: reading at a hundred thousand takes minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a provider sent."""

    value: Any
    """As JSON, leniently: NaN and Infinity are floats, the last of equal keys counts, a byte-order mark is skipped,
    bytes that are not UTF-8 are halves of surrogate pairs, and what is nested deeper than MAX_DEPTH is None."""
    is_json: bool
    """False when it is not JSON even so: then `value` is an object with the `usage` that was found in it, if any."""
    stored: Any
    """For the audit: `value` when JSON columns hold that exactly, else the bytes themselves as a `stored_body`."""


NUL_ESCAPE = b"\\u0000"


def read_body(content: bytes, usage: str = "usage") -> Body:
    """Never raises, whatever the bytes. `usage`: the field in which this provider counts tokens."""
    try:
        value = _written_alike(content)
    except (ValueError, TypeError):  # orjson: not JSON, half a surrogate pair, nested too deeply to be written
        value = None
    return _read_any(content, usage) if value is None else Body(value=value, is_json=True, stored=value)


def _written_alike(content: bytes) -> Any:
    """The value of JSON that orjson writes byte for byte as it came, as most servers do: then each key came once, each
    number is exact, and the database stores it as it is. None when it may be otherwise."""
    value = orjson.loads(content)
    written = orjson.dumps(value, option=orjson.OPT_INDENT_2 if content[1:2] == b"\n" else None)
    shallow = content.count(b"{") + content.count(b"[") <= MAX_DEPTH or is_storable_json(value)
    return value if written == content.rstrip() and NUL_ESCAPE not in content and shallow else None


def _read_any(content: bytes, usage: str) -> Body:
    text = _decoded(content)
    try:
        value, exact = _read(text)
        if exact and is_storable_json(value):
            return Body(value=value, is_json=True, stored=value)
        return Body(value=_read_leniently(_shallow(text)), is_json=True, stored=stored_body(content))
    except ValueError:
        return Body(value=_found_usage(text, usage), is_json=False, stored=stored_body(content))


def _decoded(content: bytes) -> str:
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding, "surrogateescape")
    except UnicodeDecodeError:  # cut UTF-16 or UTF-32
        return content.decode("utf-8", "surrogateescape")


def _read(text: str) -> tuple[Any, bool]:
    """(the value, whether it says all that the text does). ValueError when the text is not JSON."""
    pairs = _Pairs()
    try:
        return json.loads(text, strict=False, object_pairs_hook=pairs.as_object), pairs.unique
    except RecursionError:
        return None, False
    except ValueError:  # an integer of thousands of digits, or no JSON
        return _read_leniently(text), False


class _Pairs:
    """Makes objects of pairs, and notes whether a key came twice."""

    def __init__(self) -> None:
        self.unique = True

    def as_object(self, pairs: list[tuple[str, Any]]) -> JsonObject:
        found = dict(pairs)
        if len(found) < len(pairs):
            self.unique = False
        return found


def _read_leniently(text: str) -> Any:
    return json.loads(text, strict=False, parse_int=_number)  # not strict: line breaks within texts


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:  # thousands of digits
        return float(text)


def _shallow(text: str) -> str:
    """JSON with null in place of what is nested deeper than MAX_DEPTH."""
    parts: list[str] = []
    depth = kept = 0
    for token in TOKEN.finditer(text):
        if token[0] in {"[", "{"}:
            depth += 1
            if depth == MAX_DEPTH + 1:
                parts += [text[kept : token.start()], "null"]
        elif token[0] in {"]", "}"}:
            depth -= 1
            if depth == MAX_DEPTH:
                kept = token.end()
    return "".join(parts) + (text[kept:] if depth <= MAX_DEPTH else "")


def _found_usage(text: str, name: str) -> JsonObject:
    """The counts (`{"usage": …}`) in text that is not JSON as a whole: an answer that was cut off after them, say."""
    found = re.compile(rf'(?<!\\)"{re.escape(name)}"\s*:\s*(?=\{{)').finditer(text)
    for place in reversed(deque(found, MOST_PLACES)):
        try:
            return {name: json.JSONDecoder().raw_decode(text, place.end())[0]}
        except (ValueError, RecursionError):
            continue
    return {}
