"""The request and response bodies of the REST API about bulk runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from orchestration.api.schemas import NO_NUL, CallSelection, RequestSchema, Text64
from orchestration.values.moments import Moment
from persistence.bulk.pace import FASTEST
from persistence.models import BulkState

MOST_NAMED = 10_000
Option = StrictBool | StrictInt | StrictFloat | StrictStr | None


class SelectionIn(CallSelection):
    """Which calls, by the filters of the list of calls; `{}` means all that you may see."""

    model_config = ConfigDict(extra="forbid")


class BulkRunIn(RequestSchema):
    """An operation, its options, and the calls: those that match a filter now, or those that are named."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"operation": "retry", "filter": {"status": "failed", "error_code": "timeout"}}],
        },
    )

    operation: Annotated[str, Field(max_length=64)]
    """`retry`, `cancel`, `rerun`, `reprocess`, `dry-run` or `revert`, and what apps declare besides."""
    options: dict[str, Option] = {}
    """As the console asks for them: `policy` and `force` of reprocess, `force` of revert, `model`, `temperature` and
    `persist` of rerun."""
    filter: SelectionIn | None = None
    calls: Annotated[list[Text64], Field(min_length=1, max_length=MOST_NAMED)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> BulkRunIn:
        if (self.filter is None) == (self.calls is None):
            raise ValueError("Send a filter, or calls, and not both.")
        return self


class StartIn(RequestSchema):
    """Why, how fast, and when; a run that was paused resumes, with the pace that it has unless another is given."""

    reason: Annotated[str, Field(max_length=500, pattern=NO_NUL)] = ""
    """Kept in the history of each call."""
    per_minute: Annotated[int, Field(ge=1, le=FASTEST)] | None = None
    starts_at: Moment | None = None
    """Of a draft: within the next seven days; left out, it starts now."""


class PaceIn(RequestSchema):
    per_minute: Annotated[int, Field(ge=1, le=FASTEST)] | None
    """Calls a minute at most; null for as fast as it can."""


class CauseOut(Schema):
    """Why items were not done; numbers in it are `#`. `why` is null without the right to read content."""

    outcome: str
    why: str | None
    count: int


class BulkRunLinksOut(Schema):
    self: str
    items: str


class BulkRunSummary(Schema):
    """A run without what has to be counted."""

    id: int
    operation: str
    """`export` for a file that somebody asked for in the console."""
    title: str
    state: BulkState
    options: dict[str, Any]
    filter: dict[str, Any]
    reason: str
    total: int
    per_minute: int | None
    starts_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    """Why it failed, or what it left undone."""
    links: BulkRunLinksOut


class BulkRunOut(BulkRunSummary):
    done: int
    outcomes: dict[str, int]
    forecast: dict[str, Any] | None
    """`{will, will_not, reasons, cost, sample}`, as counted when the list was frozen; null for an export."""
    causes: list[CauseOut]
    rate: float | None
    """Items a second by the last minute, while it runs."""
    seconds_left: float | None


class BulkRunPage(Schema):
    items: list[BulkRunSummary]
    next: str | None


class BulkItemOut(Schema):
    """One call of a run. `outcome` is empty until it was done; `error` is null without the right to read content."""

    call: str
    outcome: str
    counts: dict[str, int] | None
    error: str | None
    made: str
    done_at: datetime | None


class BulkItemPage(Schema):
    items: list[BulkItemOut]
    next: int | None


class RunFilter(Schema):
    state: BulkState | None = None
    cursor: Annotated[str, Field(max_length=255)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class ItemFilter(Schema):
    outcome: Annotated[str, Field(max_length=16)] | None = None
    """`undone`: what failed, was left alone or not reached."""
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
