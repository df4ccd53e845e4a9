"""What a simulated patient answers: one or more messages, and facts about the patient beside them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from apps.chatlab.orca.mixins import ChatlabMixin
from apps.simulation.orca.mixins import StandardizedPatientMixin
from apps.simulation.text import without_controls
from orchestration.decorators import schema
from orchestration.schemas import OutputSchema

LONGEST_KEY = 255


def spoken(value: str) -> str:
    """Text without control characters; ValueError when nothing is left."""
    text = without_controls(value).strip()
    if not text:
        raise ValueError("must not be empty")
    return text


def short(value: str) -> str:
    """As `spoken`, at most as long as a key may be."""
    text = spoken(value)
    if len(text) > LONGEST_KEY:
        raise ValueError(f"must have at most {LONGEST_KEY} characters")
    return text


# Checked by validators, not by minLength and maxLength, which strict structured output does not know.
Spoken = Annotated[str, AfterValidator(spoken)]
Short = Annotated[str, AfterValidator(short)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TextContent(Closed):
    type: Literal["text"]
    text: Spoken


class PatientMessage(Closed):
    role: Literal["patient"]
    content: Annotated[list[TextContent], Field(min_length=1)]

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content)


class PatientFact(Closed):
    """Something that is now established about the patient."""

    kind: Literal["demographics", "history"]
    key: Short
    value: Spoken


class ConditionCheck(Closed):
    """The model's own account of a rule it was given. It makes answers better and is never persisted."""

    key: Short
    value: str


@schema
class PatientInitialOutputSchema(ChatlabMixin, StandardizedPatientMixin, OutputSchema):
    """The patient's opening, and who the patient is."""

    messages: Annotated[list[PatientMessage], Field(min_length=1)]
    metadata: list[PatientFact]
    llm_conditions_check: list[ConditionCheck]


@schema
class PatientReplyOutputSchema(ChatlabMixin, StandardizedPatientMixin, OutputSchema):
    """The patient's reply to one message of the trainee."""

    image_requested: bool
    messages: Annotated[list[PatientMessage], Field(min_length=1)]
    llm_conditions_check: list[ConditionCheck]
