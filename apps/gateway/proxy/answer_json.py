"""A provider's JSON, read as far as it can be read, and repaired only where a client could not read it.

An answer is paid for whether or not JSON's grammar accepts it, so it is passed on and charged as long as its meaning is
clear: half a surrogate pair stays as it came; a byte-order mark, `NaN` and bytes that are not UTF-8 are repaired.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import orjson

from orchestration.providers.response_bodies import read_body
from orchestration.values.json_bodies import write_json

LEAST_LOGPROB = -9999.0
"""What OpenAI's API has in place of a logarithm of zero."""
NO_CHARACTER = re.compile("(?<![\ud800-\udbff])[\udc80-\udcff]")
"""A byte that was not UTF-8, as `read_body` gives it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object and the bytes that a client gets for it."""

    value: dict[str, Any]
    raw: bytes


def read_document(raw: bytes) -> Document | None:
    """The JSON object of an answer or of a stream's event; None when it cannot be read."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = read_body(raw)
        value = body.value if body.is_json else None
        if isinstance(value, dict) and not _is_readable(raw):
            value = _repaired(value)
            raw = write_json(value)
    return Document(value, raw) if isinstance(value, dict) else None


def error_in(answer: dict[str, Any]) -> Any:
    """The error that an answer or a chunk holds, is, or has in place of each choice; None when there is none."""
    if answer.get("error"):
        return answer["error"]
    if "error" in (answer.get("object"), answer.get("type")):
        return answer
    choices = answer.get("choices")
    errors = [each.get("error") for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
    return errors[0] if errors and all(errors) else None


def usage_within(raw: bytes) -> Any:
    """The `usage` in bytes that cannot be read as a whole."""
    value = read_body(raw).value
    return value.get("usage") if isinstance(value, dict) else None


def _is_readable(raw: bytes) -> bool:
    """Whether common clients read it as it is. Half a surrogate pair and long integers are within JSON's grammar."""
    try:
        json.loads(raw.decode(), parse_constant=_refuse, parse_int=str)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _repaired(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {_repaired(key): _repaired(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_repaired(each, name) for each in value]
    if isinstance(value, str):
        return NO_CHARACTER.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return LEAST_LOGPROB if name == "logprob" else None
    return value
