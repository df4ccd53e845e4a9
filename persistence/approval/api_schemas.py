"""The request and response bodies of the REST API about approvals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field, model_validator

from orchestration.api.schemas import NO_NUL, RequestSchema, Text64, Text255
from persistence.models.approval import MAX_NOTE, DecisionKind, HoldState, Trigger

Note = Annotated[str, Field(max_length=MAX_NOTE, pattern=NO_NUL)]
Id = Annotated[int, Field(ge=1, lt=2**63)]


class HoldFilter(Schema):
    """Which held results; open ones come as people take them, the most urgent and oldest first, others the latest
    decision first."""

    state: HoldState = HoldState.OPEN
    service: Text255 | None = None
    trigger: Trigger | None = None
    call: Text64 | None = None
    assigned: Literal["me", "nobody"] | None = None
    """`me`: to you, or to a group that you are in."""
    after: Id | None = None
    """`next` of the page before."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class FiguresFilter(Schema):
    days: Annotated[int, Field(ge=1, le=366)] = 30


class DecisionIn(RequestSchema):
    """What you decide about what you were shown."""

    decision: Literal["approve", "edit", "reject"]
    shown: Annotated[str, Field(max_length=64, pattern=NO_NUL)]
    """The `digest` that you decide about; of an edit that of its preview."""
    note: Note = ""
    """Why; a rejection needs one."""
    answer: dict[str, Any] | None = None
    """The edited answer, with `edit`."""
    rerun: bool = False
    """With `reject`: ask the model again, and tell it the note."""

    @model_validator(mode="after")
    def _fits(self) -> DecisionIn:
        if (self.answer is None) == (self.decision == "edit"):
            raise ValueError("Send `answer` with `edit`, and with nothing else.")
        if self.rerun and self.decision != "reject":
            raise ValueError("`rerun` is only possible with `reject`.")
        return self


class AnswerIn(RequestSchema):
    answer: dict[str, Any]


class AssignIn(RequestSchema):
    """Whom to ask: a person, a group, or nobody in particular."""

    user: Id | None = None
    group: Id | None = None
    note: Note = ""
    escalate: bool = False

    @model_validator(mode="after")
    def _one(self) -> AssignIn:
        if self.user is not None and self.group is not None:
            raise ValueError("Name a user or a group, not both.")
        return self


class DecisionOut(Schema):
    """A decision that somebody took; `note` is null without the right to read content."""

    kind: DecisionKind
    user: int | None
    note: str | None
    decided_at: datetime


class HoldLinksOut(Schema):
    self: str
    call: str


class HoldSummary(Schema):
    """What waits, without its content."""

    id: int
    call: str
    service: str
    tool: str
    state: HoldState
    trigger: Trigger
    reason: str | None
    """Null without the right to read content."""
    priority: int
    opened_at: datetime
    decided_at: datetime | None
    deadline: datetime | None
    at_deadline: str
    assignee: int | None
    group: int | None
    persons: int
    rows: int
    digest: str
    links: HoldLinksOut


class HoldOut(HoldSummary):
    """What waits, with what it would write; `answer`, `edited`, `shown` and `error` are null without the right to read
    content."""

    content: Literal["shown", "hidden"]
    prompt_version: str
    requested_by: int | None
    not_the_requester: bool
    permissions: list[str]
    votes: int
    """How many have approved what is shown now."""
    may_decide: bool
    why_not: str
    """Why you may not decide on it; empty when you may."""
    answer: Any
    edited: Any
    shown: dict[str, Any] | None
    moved: list[str]
    """What is different from what was shown before."""
    error: str | None
    decisions: list[DecisionOut]


class HoldPage(Schema):
    items: list[HoldSummary]
    next: int | None


class DecidedOut(Schema):
    outcome: str
    """`persisted`, `waiting` for another person, or `rejected`."""
    state: HoldState
    made: str
    """The call that asks the model again; empty when none does."""


class PreviewOut(Schema):
    """What an edited answer would write; send its `digest` with the decision."""

    digest: str
    shown: dict[str, Any] | None


class FigureOut(Schema):
    service: str
    prompt_version: str
    held: int
    open: int
    approved: int
    edited: int
    rejected: int
    expired: int
    superseded: int
    seconds_to_decision: float | None
    """On average."""


class FiguresOut(Schema):
    days: int
    items: list[FigureOut]
