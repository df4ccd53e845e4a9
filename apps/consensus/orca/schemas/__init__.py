"""What the model's answers look like: no ids, no metadata, nothing free-form. Persona id and name are ours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from apps.consensus.orca.mixins import ConsensusMixin
from apps.consensus.text import spoken
from orchestration.decorators import schema
from orchestration.schemas import OutputSchema

SCHEMA_VERSION = "1.0.0"
"""Of these schemas together; a run keeps the one it was made with."""

# Checked by a validator, not by minLength, which strict structured output does not know.
Spoken = Annotated[str, AfterValidator(spoken)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Concern(Closed):
    text: Spoken
    is_blocking: bool


class BlockingIssue(Closed):
    """`security_critical`: null when the issue has nothing to do with security."""

    text: Spoken
    security_critical: bool | None


class Effort(Closed):
    """How much work it is to build; the weeks are calendar weeks of a small team."""

    size: Literal["S", "M", "L", "XL"]
    weeks_min: Annotated[int, Field(ge=0, le=520)]
    weeks_max: Annotated[int, Field(ge=0, le=520)]
    note: Spoken


class DependencyRisk(Closed):
    text: Spoken
    severity: Literal["low", "medium", "high", "critical"]


@schema
class ProposalOutputSchema(ConsensusMixin, OutputSchema):
    """An idea, expanded so that it can be reviewed."""

    problem_statement: Spoken
    proposed_solution: Spoken
    assumptions: list[Spoken]
    scope_non_goals: list[Spoken]
    title: Spoken
    summary: Spoken


@schema
class ReviewOutputSchema(ConsensusMixin, OutputSchema):
    """One reviewer's view of a proposal. `confidence_score` is from 0 to 1."""

    confidence_score: Annotated[float, Field(ge=0, le=1)]
    strengths: list[Spoken]
    concerns: list[Concern]
    recommendations: list[Spoken]
    blocking_issues: list[BlockingIssue]
    estimated_effort: Effort
    dependency_risks: list[DependencyRisk]
