"""About how many tokens the images, audio and files of a call will be, before any provider has counted them. Pure."""

from __future__ import annotations

from typing import Any

from orchestration.types import JsonObject
from orchestration.values.content_parts import is_media

IMAGE_TOKENS = 1_000
"""About what OpenAI, Anthropic and Google count for a picture of a megapixel."""
PAGE_BYTES = 50_000
PAGE_TOKENS = 2_000
"""A page of a PDF counts as its text and a picture of it."""
AUDIO_BYTES = 1_000
"""Of a token: a second of MP3 is about sixteen of them."""


def content_tokens(*values: Any) -> int:
    """Of all parts anywhere in JSON values (a call's input, context, messages)."""
    total, waiting = 0, list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and "part" in value and is_media(value):
            total += _tokens(value)
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
    return total


def _tokens(part: JsonObject) -> int:
    """A part at a URL counts as a small one: nobody knows its size."""
    size = int(part.get("size", 0))
    if part["part"] == "file":
        return PAGE_TOKENS * max(1, -(-size // PAGE_BYTES))
    return IMAGE_TOKENS if part["part"] == "image" else max(1, -(-size // AUDIO_BYTES))
