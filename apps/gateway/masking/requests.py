"""A request without personal data: each value becomes a placeholder that stands for it in this request alone.

It fails closed: what cannot be looked into, and what is still there afterwards, ends the request before it is sent.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from apps.gateway.masking.finding import Kind, find_personal
from apps.gateway.masking.restoring import Restorer

OPAQUE_PARTS = frozenset({"image_url", "input_audio", "file"})
DATA_URL = re.compile(r"data:[\w.+/;=-]{0,100};base64,")


class MaskingFailed(Exception):
    """The request cannot be freed of personal data; the message says where, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A request as the provider may see it, and what puts its answer right."""

    body: dict[str, Any]
    restorer: Restorer


def mask_request(body: dict[str, Any]) -> Masked:
    """The body with placeholders, for all of its texts; the very body when nothing is personal. MaskingFailed."""
    masker = _Masker(free_tag(body))
    masked = {name: masker.masked(value, name) for name, value in body.items()}
    return Masked(masked if masker.placeholders else body, Restorer(masker.placeholders))


def free_tag(body: dict[str, Any]) -> str:
    """Letters that make placeholders which do not occur in the request."""
    raw = orjson.dumps(body).decode()
    return next(tag for tag in _tags() if not any(f"[{kind}_{tag}" in raw for kind in Kind))


def _tags() -> Iterator[str]:
    yield ""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_uppercase, repeat=length))


class _Masker:
    """The placeholders of one request; the same value always gets the same one."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._counts = dict.fromkeys(Kind, 0)
        self._values: dict[str, str] = {}
        self.placeholders: dict[str, str] = {}

    def masked(self, value: Any, path: str) -> Any:
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, dict):
            return self._object(value, path)
        if isinstance(value, list):
            return [self.masked(each, f"{path}[{place}]") for place, each in enumerate(value)]
        if isinstance(value, int | float) and path.startswith("input["):
            raise MaskingFailed(f"{path} is a token: send text, personal data in tokens cannot be masked.")
        if isinstance(value, int | float) and "." in path and find_personal(str(value)):
            raise MaskingFailed(f"{path} is a number that may be personal: send it as text.")
        return value

    def _object(self, value: dict[str, Any], path: str) -> dict[str, Any]:
        kind = value.get("type")  # of a message's part; in a JSON schema it may be anything
        if isinstance(kind, str) and kind in OPAQUE_PARTS:
            raise _opaque(path)
        if any(find_personal(name) for name in value):
            raise MaskingFailed(f"{path} has a field whose name holds personal data.")
        return {name: self.masked(each, f"{path}.{name}") for name, each in value.items()}

    def _text(self, text: str, path: str) -> str:
        if path == "model":  # a name of the API, and fine-tuned ones hold digits enough for a telephone number
            return text
        if DATA_URL.match(text):
            raise _opaque(path)
        if "\\u" in text and path.endswith(".arguments"):
            text = _unescaped(text)
        parts, position = [], 0
        for found in find_personal(text):
            parts += [text[position : found.start], self._placeholder(found.kind, text[found.start : found.end])]
            position = found.end
        masked = "".join([*parts, text[position:]])
        if find_personal(masked):
            raise MaskingFailed(f"{path} holds personal data that cannot be told from what is around it.")
        return masked

    def _placeholder(self, kind: Kind, value: str) -> str:
        known = self._values.get(value)
        if known is None:
            self._counts[kind] += 1
            known = self._values[value] = f"[{kind}_{self._tag}{self._counts[kind]}]"
            self.placeholders[known] = value
        return known


def _opaque(path: str) -> MaskingFailed:
    return MaskingFailed(f"{path} is a picture, a sound or a file: personal data in it cannot be masked.")


def _unescaped(arguments: str) -> str:
    """JSON text with its letters written plainly; as it is when it is no JSON."""
    try:
        return orjson.dumps(orjson.loads(arguments)).decode()
    except orjson.JSONDecodeError:
        return arguments
