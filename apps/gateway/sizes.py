"""How much a request may need, before anything is known: counted from its body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

CHARACTERS_PER_TOKEN = 4
MEDIA_TOKENS = 50_000
"""The worst case of an image or a sound in a message: eight tiles of gpt-4o-mini, the dearest to count, are 48,169."""
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
    choices = body["n"] if _is_count(body.get("n")) else 1
    output = min(output * choices, LARGEST)
    return Size(likely_tokens(worst), worst, output)


def likely_tokens(length: int) -> int:
    """Of a text of that many bytes, by the rule of thumb."""
    return -(-length // CHARACTERS_PER_TOKEN)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST


def _message_bytes(message: dict[str, Any]) -> int:
    beside = {name: value for name, value in message.items() if name not in {"role", "content"} and value}
    total = MESSAGE_TOKENS + (len(orjson.dumps(beside)) if beside else 0)
    content = message.get("content")
    if isinstance(content, str):
        return total + len(content.encode())
    return total + sum(map(_part_bytes, content if isinstance(content, list) else ()))


def _part_bytes(part: Any) -> int:
    text = part.get("text") if isinstance(part, dict) else None
    if isinstance(text, str):
        return len(text.encode())
    if isinstance(part, dict) and part.get("type") in {"image_url", "input_audio"}:
        return MEDIA_TOKENS
    return max(MEDIA_TOKENS, len(orjson.dumps(part)))  # a file's text is at most as long as the file
