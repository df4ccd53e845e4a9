"""Streams of events that are named: as they are sent, and the pieces that their texts come in."""

from __future__ import annotations

import re
from collections.abc import Callable

from orchestration.types import JsonObject
from orchestration.values.json_bodies import write_json

Split = Callable[[str], list[str]]
"""Says in which pieces a text comes."""


def event_bytes(event: JsonObject) -> bytes:
    """An event as it is sent: its `type` is its name, in one line."""
    name = " ".join(str(event["type"]).split()).encode(errors="replace")
    return b"event: " + name + b"\ndata: " + write_json(event) + b"\n\n"


def at_once(text: str) -> list[str]:
    """The text as one piece."""
    return [text]


def words(text: str) -> list[str]:
    """A text in the pieces that streams send."""
    return re.findall(r"\S+\s*|\s+", text)
