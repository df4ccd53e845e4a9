"""What an examiner says after a simulation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from apps.simulation.orca.mixins import FeedbackMixin, SimcoreMixin
from apps.simulation.orca.schemas.parts import Closed, ConditionCheck, Short, Spoken
from orchestration.decorators import schema
from orchestration.schemas import OutputSchema


class Metric(Closed):
    """Something else that was judged, such as `history taking`: `thorough, but no allergies asked for`."""

    key: Short
    value: Spoken


@schema
class HotwashInitialSchema(SimcoreMixin, FeedbackMixin, OutputSchema):
    """The feedback on a whole simulation."""

    correct_diagnosis: bool
    correct_treatment_plan: bool
    patient_experience: Annotated[int, Field(ge=0, le=5)]
    overall_feedback: Spoken
    metrics: list[Metric]
    llm_conditions_check: list[ConditionCheck]


@schema
class HotwashContinuationSchema(SimcoreMixin, FeedbackMixin, OutputSchema):
    """The answer to a question about the feedback."""

    answer: Spoken
    llm_conditions_check: list[ConditionCheck]
