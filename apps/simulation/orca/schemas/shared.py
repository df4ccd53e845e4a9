"""Types that several schemas share.

Lengths are checked by validators, not by minLength and maxLength, which strict structured output does not support.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from orchestration.values.plain_text import required_text

LONGEST_KEY = 255


def short(value: str) -> str:
    """As `required_text`, on one line and at most as long as a key may be."""
    text = " ".join(required_text(value).split())
    if len(text) > LONGEST_KEY:
        raise ValueError(f"must have at most {LONGEST_KEY} characters")
    return text


Spoken = Annotated[str, AfterValidator(required_text)]
Short = Annotated[str, AfterValidator(short)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConditionCheck(Closed):
    """The model's own account of a rule it was given. It makes answers better and is never persisted."""

    key: Short
    value: str
