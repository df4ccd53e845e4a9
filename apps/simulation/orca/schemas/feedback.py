"""What an examiner says after a simulation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apps.simulation.orca.mixins import FeedbackMixin, SimcoreMixin
from apps.simulation.orca.schemas.shared import Closed, ConditionCheck, Short, Spoken
from orchestration.components import OutputSchema
from orchestration.decorators import schema


class Metric(Closed):
    """Something else that was judged, such as `history taking`: `thorough, but no allergies asked for`."""

    key: Short
    value: Spoken


class RubricRow(Closed):
    """One criterion: how far the trainee met it, and by which messages of the transcript, by number."""

    criterion: Short
    rating: Literal["met", "partly", "missed"]
    comment: Spoken
    messages: list[int]


@schema
class HotwashInitialSchema(SimcoreMixin, FeedbackMixin, OutputSchema):
    """The feedback on a whole simulation. The fields with a default are for older answers, which lack them."""

    correct_diagnosis: bool
    correct_treatment_plan: bool
    patient_experience: Annotated[int, Field(ge=0, le=5)]
    overall_feedback: Spoken
    metrics: list[Metric]
    diagnosis_named: Annotated[str, Field(description="what the trainee said it is, quoted; empty if nothing")] = ""
    rubric: list[RubricRow] = []
    next_time: list[Spoken] = []
    llm_conditions_check: list[ConditionCheck]


@schema
class HotwashContinuationSchema(SimcoreMixin, FeedbackMixin, OutputSchema):
    """The answer to a question about the feedback."""

    answer: Spoken
    llm_conditions_check: list[ConditionCheck]
