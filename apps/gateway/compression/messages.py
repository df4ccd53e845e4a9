"""Compresses a chat request: the messages of users and operators, never those of a model or a tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.gateway.compression.compressor import Compressed, Level, compress

ROLES = ("user", "system", "developer")


@dataclass(frozen=True, slots=True)
class CompressedRequest:
    """The messages to send and what that saves; `messages` is the same list object when nothing was saved."""

    messages: list[Any]
    tokens_saved: int


def compress_request(messages: list[Any], level: Level, model: str) -> CompressedRequest:
    """Each text of user and system messages compressed by itself; anything else passes as it is."""
    if level is Level.OFF:
        return CompressedRequest(messages, 0)
    done: list[Compressed] = []
    sent = [_message(message, level, model, done) for message in messages]
    saved = sum(each.saved for each in done)
    return CompressedRequest(sent if saved else messages, saved)


def _message(message: Any, level: Level, model: str, done: list[Compressed]) -> Any:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        return message
    content = message.get("content")
    if isinstance(content, str):
        return message | {"content": _text(content, level, model, done)}
    if isinstance(content, list):
        return message | {"content": [_part(part, level, model, done) for part in content]}
    return message


def _part(part: Any, level: Level, model: str, done: list[Compressed]) -> Any:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return part | {"text": _text(part["text"], level, model, done)}
    return part


def _text(text: str, level: Level, model: str, done: list[Compressed]) -> str:
    compressed = compress(text, level, model)
    done.append(compressed)
    return compressed.text
