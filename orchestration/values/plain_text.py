"""Which characters text from outside may contain."""

from __future__ import annotations

import unicodedata

LAYOUT = frozenset("\n\r\t")


def is_control(character: str) -> bool:
    """Control characters, and lone surrogates, which no database stores."""
    return unicodedata.category(character) in {"Cc", "Cs"}


def plain_text(value: str) -> str:
    """The text; ValueError when it holds control characters other than line breaks and tabs."""
    if any(is_control(character) and character not in LAYOUT for character in value):
        raise ValueError("contains control characters")
    return value


def without_controls(value: str) -> str:
    """The text without the characters that `plain_text` refuses."""
    return "".join(character for character in value if not is_control(character) or character in LAYOUT)


def required_text(value: str) -> str:
    """The text without control characters and outer spaces; ValueError when nothing is left."""
    kept = without_controls(value).strip()
    if not kept:
        raise ValueError("must not be empty")
    return kept
