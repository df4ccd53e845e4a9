"""Parts of a message's content as JSON: text, and references to images, audio and files. Pure.

`{"part": "image", "content": "sha256:…", "media_type": "image/png", "size": 1234, "name": "scan.png"}` is stored
content (`orchestration/content/`), `{"part": "image", "url": "https://…"}` what the provider fetches itself, and
`{"part": "text", "text": "…"}` text. JSON columns hold these, and never the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from orchestration.errors import ContentRefused
from orchestration.types import JsonObject, Message
from orchestration.values.public_urls import check_public_url

TEXT = "text"
KINDS = ("image", "audio", "file")
MARK = '"sha256:'
"""In JSON that refers to stored content."""
REFERENCE = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
FIELDS = {
    TEXT: frozenset({"part", "text"}),
    "stored": frozenset({"part", "content", "media_type", "size", "name"}),
    "url": frozenset({"part", "url", "media_type", "name"}),
}
SEPARATOR = "\n\n"
LONGEST_NAME = 255
Content = str | list[JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Stored content, as some JSON refers to it."""

    digest: str
    """SHA-256 in 64 hex digits."""
    kind: str
    media_type: str
    size: int
    name: str = ""


def reference_part(found: Reference) -> JsonObject:
    """The part that refers to stored content."""
    named = {"name": found.name} if found.name else {}
    stored = {"content": f"sha256:{found.digest}", "media_type": found.media_type, "size": found.size}
    return {"part": found.kind, **stored, **named}


def is_part(value: Any) -> bool:
    """Whether a JSON value is a part, and nothing else."""
    if not isinstance(value, dict):
        return False
    if value.get("part") == TEXT:
        return value.keys() == FIELDS[TEXT] and isinstance(value["text"], str)
    return value.get("part") in KINDS and (_is_stored(value) or _is_url(value))


def is_media(value: Any) -> bool:
    """Whether it is a part that is not text."""
    return is_part(value) and value["part"] != TEXT


def _is_stored(part: JsonObject) -> bool:
    return (
        {"content", "media_type", "size"} <= part.keys() <= FIELDS["stored"]
        and isinstance(part["content"], str)
        and REFERENCE.fullmatch(part["content"]) is not None
        and isinstance(part["media_type"], str)
        and isinstance(part["size"], int)
        and not isinstance(part["size"], bool)
        and isinstance(part.get("name", ""), str)
    )


def _is_url(part: JsonObject) -> bool:
    texts = (part.get(name, "") for name in ("url", "media_type", "name"))
    return "url" in part and part.keys() <= FIELDS["url"] and all(isinstance(text, str) for text in texts)


# --- a message's content ------------------------------------------------------------------------


def content_of(value: Any, path: str, *, media: bool = True) -> Content:
    """A message's content from a text, a part, or a list of both: a text where it is nothing but text, else parts, with
    texts that follow each other joined by a blank line.

    ContentRefused names what is not content. `media`: False where only text may stand.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list | tuple):
        raise ContentRefused(f"{path} is a {type(value).__name__}: content is text, a part, or a list of both.")
    parts: list[JsonObject] = []
    for number, each in enumerate(value):
        part = {"part": TEXT, "text": each} if isinstance(each, str) else each
        _check_part(part, f"{path}[{number}]", media=media)
        if part["part"] == TEXT and not part["text"].strip():
            continue
        if part["part"] == TEXT and parts and parts[-1]["part"] == TEXT:
            parts[-1] = {"part": TEXT, "text": parts[-1]["text"] + SEPARATOR + part["text"]}
        else:
            parts.append(part)
    if any(part["part"] != TEXT for part in parts):
        return parts
    return "".join(part["text"] for part in parts)


def _check_part(part: Any, path: str, *, media: bool) -> None:
    if not is_part(part):
        raise ContentRefused(
            f"{path} is not a part of a message: give text, or what image(), audio() and file() of"
            " orchestration.content return."
        )
    if part["part"] == TEXT:
        return
    if not media:
        raise ContentRefused(f"{path}: there is only text in what instructs a model, and in what it said.")
    if "url" in part:
        check_public_url(part["url"])


def has_parts(value: Any) -> bool:
    """Whether what a tool returned is content: a part that is not text, or a list of texts and parts with one."""
    if is_media(value):
        return True
    return (
        isinstance(value, list)
        and any(map(is_media, value))
        and all(isinstance(each, str) or is_part(each) for each in value)
    )


def text_of_content(content: Any) -> str:
    """The text in a message's content."""
    if isinstance(content, list):
        return SEPARATOR.join(part["text"] for part in content if part.get("part") == TEXT)
    return content if isinstance(content, str) else ""


def media_of(content: Any) -> list[JsonObject]:
    """The parts of a message's content that are not text."""
    return [part for part in content if part.get("part") in KINDS] if isinstance(content, list) else []


def has_media(messages: Iterable[Message]) -> bool:
    """Whether any of these messages has more than text."""
    return any(isinstance(message.get("content"), list) for message in messages)


def described(part: JsonObject) -> str:
    """A part in words, for places that show text: its kind, name, media type and size."""
    if part["part"] == TEXT:
        return str(part["text"])
    told = [part.get("name"), part.get("media_type"), f"{part['size']:,} bytes" if "size" in part else part.get("url")]
    return f"[{part['part']}: {', '.join(each for each in told if each)}]"


def in_words(content: Any) -> str:
    """A message's content as text alone, with its other parts described."""
    if isinstance(content, list):
        return SEPARATOR.join(described(part) if is_part(part) else str(part) for part in content)
    return content if isinstance(content, str) else str(content)


# --- references ---------------------------------------------------------------------------------


def references_in(*values: Any) -> list[Reference]:
    """Stored content that JSON refers to anywhere, each digest once, in the order in which they come."""
    found: dict[str, Reference] = {}
    for each in (each for value in values for each in _references(value)):
        found.setdefault(each.digest, each)
    return list(found.values())


def may_refer(text: str) -> bool:
    """Whether JSON text may refer to stored content; a quick look that spares most calls the walk."""
    return MARK in text


def _references(value: Any) -> Iterator[Reference]:
    if isinstance(value, dict):
        if is_part(value) and "content" in value:
            yield Reference(
                digest=value["content"].removeprefix("sha256:"),
                kind=value["part"],
                media_type=value["media_type"],
                size=value["size"],
                name=value.get("name", ""),
            )
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _references(each)
