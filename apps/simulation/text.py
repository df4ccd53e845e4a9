"""What text from outside may contain. It stays data everywhere; this only refuses what no text needs."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from django.core.exceptions import ValidationError
from pydantic import AfterValidator, StringConstraints

LAYOUT = frozenset("\n\r\t")


def is_control(character: str) -> bool:
    """Control characters, and lone surrogates, which no database stores."""
    return unicodedata.category(character) in {"Cc", "Cs"}


def plain_text(value: str) -> str:
    """The text; ValueError when it holds control characters other than line breaks and tabs."""
    if any(is_control(character) and character not in LAYOUT for character in value):
        raise ValueError("contains control characters")
    return value


def plain_line(value: str) -> str:
    """As `plain_text`, on one line: ValueError when it holds any control character or a line separator."""
    if any(is_control(character) or unicodedata.category(character) in {"Zl", "Zp"} for character in value):
        raise ValueError("must be one line without control characters")
    return value


def without_controls(value: str) -> str:
    """The text without the characters that `plain_text` refuses."""
    return "".join(character for character in value if not is_control(character) or character in LAYOUT)


Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(plain_line)]
Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(plain_text)]


def validate_text(value: str) -> None:
    """For model fields: as `plain_text`, raising Django's error."""
    try:
        plain_text(value)
    except ValueError as error:
        raise ValidationError(f"This {error}.") from error


def validate_line(value: str) -> None:
    """For model fields: as `plain_line`, raising Django's error."""
    try:
        plain_line(value)
    except ValueError as error:
        raise ValidationError(f"This {error}.") from error
