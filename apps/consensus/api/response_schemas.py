"""The responses of the consensus API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from apps.consensus.decision.verdict import Label
from apps.consensus.models.runs import Priority, RunStatus, RunType, StepStatus
from orchestration.values.moments import Moment


class RunFilter(Schema):
    """Dates need a time zone; `end_date` itself is not included."""

    status: RunStatus | None = None
    run_type: RunType | None = None
    parent_run_id: UUID | None = None
    decision: Label | None = None
    min_confidence: Annotated[Decimal, Field(ge=0, le=1)] | None = None
    start_date: Moment | None = None
    end_date: Moment | None = None
    cursor: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class RunAccepted(Schema):
    """`links`: `self`, `events` (server-sent), `retry`, `cancel`, `revisions`."""

    run_id: UUID
    status: RunStatus
    links: dict[str, str]
    error_code: str = ""
    error_context: dict[str, Any] | None = None


class RunSummary(RunAccepted):
    """The content of another user's run is null without the scope content:read; `content` is then `hidden`."""

    run_type: RunType
    parent_run_id: UUID | None
    content: Literal["shown", "hidden"]
    input_idea: str | None
    priority: Priority
    model: str
    temperature: Decimal
    decision_label: Label | None
    overall_weighted_confidence: Decimal | None
    schema_version: str
    prompt_set_version: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RunPage(Schema):
    """Newest first; `next` is the cursor of the following page, null at the end."""

    items: list[RunSummary]
    next: str | None


class StepOut(Schema):
    step: str
    status: StepStatus
    attempt_count: int
    error_code: str
    error: str
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    call_id: str | None
    total_tokens: int
    cost: Decimal | None


class ProposalOut(Schema):
    expanded_proposal: dict[str, Any]
    proposal_diff: dict[str, Any] | None
    persona_template_version: str
    edit_notes: str
    created_at: datetime


class ConcernOut(Schema):
    text: str
    is_blocking: bool


class IssueOut(Schema):
    text: str
    security_critical: bool | None


class EffortOut(Schema):
    size: Literal["S", "M", "L", "XL"]
    weeks_min: int
    weeks_max: int
    note: str


class RiskOut(Schema):
    text: str
    severity: str


class BareReviewOut(Schema):
    confidence_score: float
    strengths: list[str]
    concerns: list[ConcernOut]
    recommendations: list[str]
    blocking_issues: list[IssueOut]
    estimated_effort: EffortOut
    dependency_risks: list[RiskOut]


class ReviewOut(BareReviewOut):
    """`reused`: copied from the parent run."""

    persona_id: str
    persona_name: str
    blocking_issues_present: bool
    security_concerns_present: bool
    prompt_parameters: dict[str, Any]
    reused: bool
    created_at: datetime


class MinorityOut(Schema):
    persona_id: str
    persona_name: str
    confidence_score: Decimal
    blocking_summary: str
    mitigation_recommendation: str
    strengths: list[str]
    concerns: list[str]


class BreakdownOut(Schema):
    weights: dict[str, Decimal]
    scores: dict[str, Decimal]
    contributions: dict[str, Decimal]
    formula: str


class DecisionOut(Schema):
    decision: Label
    overall_weighted_confidence: Decimal
    veto_applied: bool
    minority_reports: list[MinorityOut]
    score_breakdown: BreakdownOut
    decision_notes: str
    created_at: datetime


class UsageOut(Schema):
    """Of the run's own calls, all attempts. `cost` is null when no price is known."""

    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cost: Decimal | None


class RunOut(RunSummary):
    extra_context: Any
    edited_proposal: Any
    edit_notes: str | None
    parameters: dict[str, Any]
    proposal: ProposalOut | None
    reviews: list[ReviewOut]
    decision: DecisionOut | None
    steps: list[StepOut]
    usage: UsageOut
    last_event_id: int


class ListDelta(Schema):
    added: list[str]
    removed: list[str]


class PersonaDelta(Schema):
    persona_id: str
    persona_name: str
    before: Decimal | None
    after: Decimal | None
    delta: Decimal | None
    blocking_issues: ListDelta
    concerns: ListDelta
    reused: bool


class ProposalDelta(Schema):
    """`fields`: of a text before, after and marked lines; of a list the items added and removed."""

    changed: list[str]
    fields: dict[str, Any]


class DecisionDelta(Schema):
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    delta: Decimal | None
    changed: bool


class DiffOut(Schema):
    """From the first run to the other one."""

    run_id: UUID
    other_run_id: UUID
    proposal: ProposalDelta
    personas: list[PersonaDelta]
    decision: DecisionDelta


class ExpandOut(Schema):
    call_id: str
    expanded_proposal: dict[str, Any]
    model: str
    total_tokens: int


class ReviewIdeaOut(Schema):
    """`decision` applies the thresholds to this one confidence; there is no veto."""

    call_id: str
    review: BareReviewOut
    decision: Label
    overall_weighted_confidence: Decimal
    model: str
    total_tokens: int
