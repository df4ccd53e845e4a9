"""Fitting a conversation into a number of tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

CHARACTERS_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """A cautious estimate without a tokenizer: a token for every 4 ASCII characters, and for every other character."""
    others = sum(not character.isascii() for character in text)
    return math.ceil((len(text) - others) / CHARACTERS_PER_TOKEN) + others


def newest_within(lines: Sequence[str], tokens: int) -> list[str]:
    """The last lines that fit, in order; always at least the last one."""
    used = 0
    for count, line in enumerate(reversed(lines)):
        used += estimated_tokens(line)
        if count and used > tokens:
            return list(lines[-count:])
    return list(lines)
