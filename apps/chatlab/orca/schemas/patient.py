"""What a simulated patient answers: one or more messages, and facts about the patient beside them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apps.chatlab.orca.mixins import ChatlabMixin
from apps.simulation.orca.mixins import StandardizedPatientMixin
from apps.simulation.orca.schemas.shared import Closed, ConditionCheck, Short, Spoken
from orchestration.components import OutputSchema
from orchestration.decorators import schema


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
    """Something that is now established about the patient, such as `Allergies`: `penicillin`."""

    kind: Literal["demographics", "history"]
    key: Short
    value: Spoken


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
    facts: list[PatientFact] = []
    """What the reply tells about the patient. The default is for older answers."""
    llm_conditions_check: list[ConditionCheck]
