"""Validated text and single lines, for fields of schemas and models."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from django.core.exceptions import ValidationError
from pydantic import AfterValidator, StringConstraints

from orchestration.values.plain_text import is_control, plain_text


def plain_line(value: str) -> str:
    """As `plain_text`, on one line: ValueError when it holds any control character or a line separator."""
    if any(is_control(character) or unicodedata.category(character) in {"Zl", "Zp"} for character in value):
        raise ValueError("must be one line without control characters")
    return value


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
