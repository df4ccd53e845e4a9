"""Masks a request: each personal value becomes a placeholder that is valid in this request only.

It fails closed: content that cannot be searched, or data that is left afterwards, ends the request before it is sent.
"""

from __future__ import annotations

import bisect
import itertools
import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apps.gateway.masking.detectors import Finder, Found, Kind
from apps.gateway.masking.json_text import is_json_text, number_places, written_value
from apps.gateway.masking.unmask import Restorer
from orchestration.isolation import isolated

OPAQUE_PARTS = frozenset({"image_url", "input_audio", "file", "input_image", "input_file", "image", "document"})
WRITTEN_SOURCES = ("text", "content")
"""Types of sources of Anthropic's documents that are text."""
TEXT_PARTS = ("text", "input_text", "output_text")
DATA_URL = re.compile(r"data:[\w.+/;=-]{0,100};base64,")
TOKENS = re.compile(r"(?:input|prompt)(?:\[\d+\])+")
SETTINGS = re.compile(r"(?:seed|max\w*_tokens|logit_bias\b.*)$")
"""Numbers of the API that may be as long as a telephone number."""
SCHEMAS = ("tools[", "functions[", "response_format", "text.format", "output_config")
"""Where numbers are limits and defaults of a schema."""
TEXT_FITS = re.compile(r"(?:user|safety_identifier|prompt_cache_key)$|metadata\.|.*\.(?:arguments|input)(?:\.|\[)")
"""Where a number may become a text."""


class MaskingFailed(Exception):
    """Personal data in the request cannot be masked; the message says where, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A request as the provider may see it, and what restores its answer."""

    body: dict[str, Any]
    restorer: Restorer


def mask_request(body: dict[str, Any], finder: Finder | None = None) -> Masked:
    """The body with placeholders in all of its texts; the same object when nothing is personal. MaskingFailed."""
    masker = _Masker(body, finder or Finder())
    masked: dict[str, Any] = {}
    with isolated() as search:  # a recognizer may raise anything
        masked = {name: masker.masked(value, name) for name, value in body.items()}
    if isinstance(search.error, MaskingFailed):
        raise search.error
    if search.error is not None:
        raise MaskingFailed("The search for personal data failed.") from search.error
    restorer = Restorer(masker.placeholders, numbers=masker.numbers, json_content=_wants_json(body))
    return Masked(masked if masker.placeholders else body, restorer)


def _wants_json(body: dict[str, Any]) -> bool:
    """Whether the answer's text will be JSON."""
    texts = (body.get("text"), body.get("output_config"))  # of `/responses` and `/messages`
    formats = (text.get("format") for text in texts if isinstance(text, dict))
    wanted = body.get("response_format") or next(filter(None, formats), None)
    return isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")


def free_tag(body: dict[str, Any]) -> str:
    """Letters for placeholders that do not occur in the request, however they are escaped."""
    raw = json.dumps(body, ensure_ascii=False).replace("\\", "")
    return next(tag for tag in _tags() if not any(f"[{kind}_{tag}" in raw for kind in Kind))


def _tags() -> Iterator[str]:
    yield ""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_uppercase, repeat=length))


class _Masker:
    """The placeholders of one request; the same value always gets the same one."""

    def __init__(self, body: dict[str, Any], finder: Finder) -> None:
        self._body = body
        self._find = finder.find
        self._counts = dict.fromkeys(Kind, 0)
        self._values: dict[tuple[str, bool], str] = {}
        self.placeholders: dict[str, str] = {}
        self.numbers: set[str] = set()
        """The placeholders of JSON's numbers."""

    @cached_property
    def _tag(self) -> str:
        """Needed by few requests."""
        return free_tag(self._body)

    def masked(self, value: Any, path: str) -> Any:
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, dict):
            return self._object(value, path)
        if isinstance(value, list):
            items = [self.masked(each, f"{path}[{place}]") for place, each in enumerate(value)]
            return self._parts(items, path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._number(value, path)
        return value

    def _object(self, value: dict[str, Any], path: str) -> dict[str, Any]:
        if _is_opaque(value):
            raise _opaque(path)
        if any(self._find(name) for name in value):
            raise MaskingFailed(f"{path} has a field whose name holds personal data.")
        return {name: self.masked(each, f"{path}.{name}") for name, each in value.items()}

    def _number(self, value: float, path: str) -> Any:
        if TOKENS.fullmatch(path):
            raise MaskingFailed(f"{path} is a token: send text, personal data in tokens cannot be masked.")
        if SETTINGS.match(path) or path.startswith(SCHEMAS):
            return value
        written = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        found = self._find(written)
        if not found:
            return value
        if TEXT_FITS.match(path) is None:
            raise MaskingFailed(f"{path} is a number that may be personal: send it as text.")
        return self._placeholder(found[0].kind, str(value), is_number=True)

    def _text(self, text: str, path: str) -> str:
        if path == "model":  # a name of the API, and fine-tuned ones hold digits enough for a telephone number
            return text
        if DATA_URL.match(text):
            raise _opaque(path)
        found = self._find(text)
        if not found:
            return text
        masked = self._replaced(text, found, path)
        if self._find(masked):
            raise MaskingFailed(f"{path} holds personal data that cannot be separated from the text around it.")
        return masked

    def _replaced(self, text: str, found: list[Found], path: str) -> str:
        is_json = is_json_text(text)
        numbers = number_places(text, found, is_json=is_json)
        parts, position = [], 0
        for each in found:
            value, number = text[each.start : each.end], numbers.get(each.start)
            if number is not None and number.end != each.end:
                raise MaskingFailed(f"{path} has a number that may be personal: send it as text.")
            written = written_value(value) if is_json else value
            placeholder = self._placeholder(each.kind, written, is_number=number is not None)
            quote = "" if number is None else number.quote
            parts += [text[position : each.start], quote, placeholder, quote]
            position = each.end
        masked = "".join([*parts, text[position:]])
        if is_json and not is_json_text(masked):
            raise MaskingFailed(f"{path} would no longer be valid JSON with its personal data masked.")
        return masked

    def _parts(self, items: list[Any], path: str) -> list[Any]:
        """The parts of a message without the values that begin in one and end in another."""
        places = [place for place, item in enumerate(items) if _is_text_part(item)]
        if len(places) < 2:
            return items
        texts = [items[place]["text"] for place in places]
        before = list(texts)
        for glue in ("\n", ""):
            self._mask_across(texts, glue)
        if self._find("\n".join(texts)) or self._find("".join(texts)):
            raise MaskingFailed(f"{path} holds personal data that cannot be separated from the text around it.")
        done = dict(zip(places, texts, strict=True))
        emptied = {place for place, old, new in zip(places, before, texts, strict=True) if old and not new}
        return [
            item | {"text": done[place]} if place in done else item
            for place, item in enumerate(items)
            if place not in emptied
        ]

    def _mask_across(self, texts: list[str], glue: str) -> None:
        starts = [0, *itertools.accumulate(len(text) + len(glue) for text in texts)]
        for found in reversed(self._find(glue.join(texts))):
            first, last = (_part_at(starts, place) for place in (found.start, found.end - 1))
            if first == last:
                continue
            begin, end = found.start - starts[first], found.end - starts[last]
            value = "".join([texts[first][begin:], *texts[first + 1 : last], texts[last][:end]])
            texts[last] = texts[last][end:]
            texts[first + 1 : last] = [""] * (last - first - 1)
            texts[first] = texts[first][:begin] + self._placeholder(found.kind, value)

    def _placeholder(self, kind: Kind, value: str, *, is_number: bool = False) -> str:
        known = self._values.get((value, is_number))
        if known is None:
            self._counts[kind] += 1
            known = self._values[value, is_number] = f"[{kind}_{self._tag}{self._counts[kind]}]"
            self.placeholders[known] = value
            if is_number:
                self.numbers.add(known)
        return known


def _is_text_part(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") in TEXT_PARTS and isinstance(item.get("text"), str)


def _is_opaque(value: dict[str, Any]) -> bool:
    kind, source = value.get("type"), value.get("source")  # of a message's part; in a JSON schema it may be anything
    is_text = kind == "document" and isinstance(source, dict) and source.get("type") in WRITTEN_SOURCES
    return isinstance(kind, str) and kind in OPAQUE_PARTS and not is_text


def _part_at(starts: list[int], place: int) -> int:
    return bisect.bisect_right(starts, place) - 1


def _opaque(path: str) -> MaskingFailed:
    return MaskingFailed(f"{path} is a picture, a sound or a file: personal data in it cannot be masked.")
