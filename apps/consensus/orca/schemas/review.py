"""The schemas of the model's answers. They hold no ids and no metadata: persona id and name are added here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from apps.consensus.orca.mixins import ConsensusMixin
from orchestration.components import OutputSchema
from orchestration.decorators import schema
from orchestration.types import JsonObject, Response
from orchestration.values.plain_text import required_text

SCHEMA_VERSION = "1.0.0"
"""Of these schemas together; a run keeps the one it was made with."""


# Checked by a validator, not by minLength, which strict structured output does not know.
Text = Annotated[str, AfterValidator(required_text)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Concern(Closed):
    text: Text
    is_blocking: bool


class BlockingIssue(Closed):
    """`security_critical`: null when the issue has nothing to do with security."""

    text: Text
    security_critical: bool | None


class Effort(Closed):
    """How much work it is to build; the weeks are calendar weeks of a small team."""

    size: Literal["S", "M", "L", "XL"]
    weeks_min: Annotated[int, Field(ge=0, le=520)]
    weeks_max: Annotated[int, Field(ge=0, le=520)]
    note: Text


class DependencyRisk(Closed):
    text: Text
    severity: Literal["low", "medium", "high", "critical"]


@schema
class ProposalOutputSchema(ConsensusMixin, OutputSchema):
    """An idea, expanded so that it can be reviewed."""

    problem_statement: Text
    proposed_solution: Text
    assumptions: list[Text]
    scope_non_goals: list[Text]
    title: Text
    summary: Text


@schema
class ReviewOutputSchema(ConsensusMixin, OutputSchema):
    """One reviewer's view of a proposal. `confidence_score` is from 0 to 1."""

    confidence_score: Annotated[float, Field(ge=0, le=1)]
    strengths: list[Text]
    concerns: list[Concern]
    recommendations: list[Text]
    blocking_issues: list[BlockingIssue]
    estimated_effort: Effort
    dependency_risks: list[DependencyRisk]


def content_of(schema: type[OutputSchema], response: Response) -> JsonObject:
    """The answer as the schema reads it, so without control characters; the call keeps it as it came."""
    return schema.model_validate(response.structured_data).model_dump(mode="json")
