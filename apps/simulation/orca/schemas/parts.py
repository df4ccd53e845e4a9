"""Parts that the answers of several services share.

Lengths are checked by validators, not by minLength and maxLength, which strict structured output does not know.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from orchestration.plain_text import without_controls

LONGEST_KEY = 255


def spoken(value: str) -> str:
    """Text without control characters; ValueError when nothing is left."""
    text = without_controls(value).strip()
    if not text:
        raise ValueError("must not be empty")
    return text


def short(value: str) -> str:
    """As `spoken`, on one line and at most as long as a key may be."""
    text = " ".join(spoken(value).split())
    if len(text) > LONGEST_KEY:
        raise ValueError(f"must have at most {LONGEST_KEY} characters")
    return text


Spoken = Annotated[str, AfterValidator(spoken)]
Short = Annotated[str, AfterValidator(short)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConditionCheck(Closed):
    """The model's own account of a rule it was given. It makes answers better and is never persisted."""

    key: Short
    value: str
