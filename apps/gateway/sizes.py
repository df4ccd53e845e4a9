"""How much a request may need, before anything is known: counted from its body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

CHARACTERS_PER_TOKEN = 4
MEDIA_TOKENS = 4096
"""The worst case of an image, a file or a sound in a message."""
MESSAGE_TOKENS = 8
"""What a message costs beside its text."""
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Size:
    """Tokens of a request."""

    likely_prompt: int
    """By the rule of thumb; what the token limit reserves."""
    worst_prompt: int
    """Every byte a token, which no tokenizer exceeds; what the budget reserves."""
    output: int
    """The most that the answer may have, over all choices."""


def size_of(body: dict[str, Any], *, default_output: int) -> Size:
    """The size of a chat or embeddings request."""
    if "input" in body:
        given = body["input"]
        length = len(given.encode(errors="replace")) if isinstance(given, str) else len(orjson.dumps(given))
        return Size(likely_tokens(length), length, 0)
    worst = sum(map(_message_bytes, body.get("messages", ())))
    for field in ("tools", "functions", "response_format"):
        if field in body:
            worst += len(orjson.dumps(body[field]))
    asked = next((body[name] for name in ("max_completion_tokens", "max_tokens") if _is_count(body.get(name))), None)
    output = default_output if asked is None else asked
    choices = body.get("n")
    output = min(output * (choices if _is_count(choices) else 1), LARGEST)
    return Size(likely_tokens(worst), worst, output)


def likely_tokens(length: int) -> int:
    """Of a text of that many bytes, by the rule of thumb."""
    return -(-length // CHARACTERS_PER_TOKEN)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST


def _message_bytes(message: dict[str, Any]) -> int:
    total = MESSAGE_TOKENS + len(orjson.dumps(message["tool_calls"]) if message.get("tool_calls") else b"")
    content = message.get("content")
    if isinstance(content, str):
        return total + len(content.encode())
    for part in content if isinstance(content, list) else ():
        text = part.get("text") if isinstance(part, dict) else None
        total += len(text.encode()) if isinstance(text, str) else MEDIA_TOKENS
    return total
