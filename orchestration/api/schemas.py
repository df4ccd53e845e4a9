"""The request and response bodies of the REST API about calls."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field, ModelWrapValidatorHandler, ValidationInfo, model_validator

from orchestration.errors import NotJson
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status
from orchestration.models.tool_runs import ToolRunStatus
from orchestration.types import JsonObject, Usage
from orchestration.values.moments import Moment
from orchestration.values.sanitize import check_json

NO_NUL = r"^[^\x00]*$"
Text64 = Annotated[str, Field(max_length=64, pattern=NO_NUL)]
Text128 = Annotated[str, Field(max_length=128, pattern=NO_NUL)]
Text255 = Annotated[str, Field(max_length=255, pattern=NO_NUL)]


def storable(value: JsonObject) -> JsonObject:
    """JSON that every database stores; ValueError names the first thing that is not, and where it is."""
    try:
        check_json(value, "value")
    except NotJson as error:
        raise ValueError(str(error)) from None
    return value


StorableObject = Annotated[dict[str, Any], AfterValidator(storable)]


class ErrorOut(Schema):
    """The envelope of every error."""

    code: str
    message: str
    details: Any = None
    request_id: str | None = None


def error_responses(*statuses: int) -> dict[int, type[ErrorOut]]:
    """The error responses of an endpoint: those of every endpoint, and these."""
    return dict.fromkeys((401, 403, 429, 500, *statuses), ErrorOut)


class JsonSchema(Schema):
    """A part of a body that is made from JSON, never from a row."""

    @model_validator(mode="wrap")
    @classmethod
    def _run_root_validator(cls, values: Any, handler: ModelWrapValidatorHandler[Any], info: ValidationInfo) -> Any:
        """In place of Ninja's, which validates twice, the second time for attributes of rows: JSON has none."""
        return handler(values)


class RequestSchema(JsonSchema):
    """The body of a request, or a part of it. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class RelatedIn(RequestSchema):
    """An object by model and primary key."""

    model: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]+\.[a-zA-Z0-9_]+$", max_length=255, examples=["shop.order"])]
    id: Text64


class CallIn(RequestSchema):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"service": "support.default.Triage", "context": {"ticket": "The door is locked."}}]
        },
    )

    service: Annotated[str, Field(min_length=1, max_length=520, pattern=NO_NUL)]
    """The service's identity, with or without its domain: `namespace.group.Name`."""
    input: StorableObject = {}
    context: StorableObject = {}
    priority: Annotated[int, Field(ge=-32768, le=32767)] = 0
    run_at: Moment | None = None
    ordering_key: Text255 = ""
    related: RelatedIn | None = None
    max_attempts: Annotated[int, Field(ge=1, le=10)] | None = None
    model: Text128 | None = None


class CallSelection(Schema):
    """Which calls: those that match all that is given."""

    status: Status | None = None
    service: Annotated[str, Field(max_length=520, pattern=NO_NUL)] | None = None
    namespace: Text128 | None = None
    persist_state: PersistState | None = None
    related_model: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]+\.[a-zA-Z0-9_]+$", max_length=255)] | None = None
    related_id: Text64 | None = None
    correlation_id: UUID | None = None
    model: Text128 | None = None
    error_code: Text64 | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None


class CallFilter(CallSelection):
    """What to list, newest first."""

    cursor: Annotated[str, Field(max_length=255)] | None = None
    """`next` of the page before."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class SchemaOut(Schema):
    identity: str
    version: int
    fingerprint: str


class PersistOut(Schema):
    state: PersistState
    attempts: int
    next_at: datetime | None
    persisted_at: datetime | None


class RelatedOut(Schema):
    model: str
    id: str


class LinksOut(JsonSchema):
    self: str
    attempts: str
    objects: str
    timeline: str


class CallSummary(Schema):
    """A call without its content."""

    id: str
    service: str
    namespace: str
    status: Status
    error_code: str
    retryable: bool
    output_schema: SchemaOut | None
    correlation_id: UUID
    priority: int
    ordering_key: str
    attempts: int
    max_attempts: int
    deaths: int
    route: str
    """Where it goes, or went last: `client/model`."""
    route_reason: str | None
    """Why that is not the first of its routes: `client/model: code` of each that was passed over; null when it is."""
    provider: str
    model: str
    usage: Usage
    cost: Decimal | None
    related: RelatedOut | None
    parent: str | None
    created_at: datetime
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    persist: PersistOut
    links: LinksOut


class CallOut(CallSummary):
    """A call with its content; without the scope content:read the content is null and `content` says `hidden`."""

    content: Literal["shown", "hidden"]
    input: dict[str, Any] | None
    context: dict[str, Any] | None
    result: dict[str, Any] | None
    error: str | None
    persist_error: str | None


class CallPage(Schema):
    items: list[CallSummary]
    next: str | None
    """`cursor` of the next page; null on the last."""


class AnswerOut(Schema):
    """What came back for one request."""

    received_at: datetime
    latency_ms: int
    model: str
    finish_reason: str
    provider_response_id: str
    http_status: int | None
    error_code: str
    usage: Usage
    cost: Decimal | None
    error: str | None
    raw: Any
    outputs: list[Any] | None
    structured_data: Any
    tool_calls: list[Any] | None


class ToolRunOut(Schema):
    """One call of a tool that an answer asked for."""

    tool: str
    position: int
    """Within the answer, from 0."""
    status: ToolRunStatus
    attempts: int
    """More than 1 when a worker died while it ran."""
    started_at: datetime
    finished_at: datetime | None
    error_code: str
    arguments: Any
    result: Any
    error: str | None
    """What the model was told in place of a result."""


class RequestOut(Schema):
    """One request to a provider and its answer."""

    id: int
    attempt: int
    repair: int
    outcome: Outcome
    dispatched_at: datetime
    provider: str
    client_name: str
    model: str
    surface: str
    route_reason: str | None
    """Why it did not go to the first route of the call; null when it did."""
    response_schema_identity: str
    parameters: dict[str, Any]
    continues: int | None
    """The request whose tools it follows. Its messages are what is new since; tools and schema are with the first."""
    content: Literal["shown", "hidden"]
    messages: list[dict[str, Any]] | None
    tools: list[Any] | None
    response_schema: dict[str, Any] | None
    answer: AnswerOut | None
    tool_runs: list[ToolRunOut]
    """The tools that the answer asked for, in their order."""


class AttemptOut(RequestOut):
    """An attempt with the requests that follow in it: repairs, and those after tools (`continues`)."""

    repairs: list[RequestOut]


class TimelineOut(Schema):
    at: datetime
    event: str
    attempt: int | None
    detail: str
    seconds: float | None
    """Since the event before."""


class ComponentOut(Schema):
    domain: str
    identity: str
    label: str
    class_name: str
    file: str
    line: int
    wiring: dict[str, Any]
    problems: list[str]
    output_schema: dict[str, Any] | None
    """The strict JSON schema of a service's answer, or of a schema itself."""


class HeldOut(Schema):
    """Something that keeps calls waiting."""

    kind: Literal["pause", "circuit", "limit"]
    name: str
    """What is paused, the client whose circuit is not closed, or the limit's pattern."""
    state: Literal["paused", "open", "half_open", "blocked"]
    since: datetime | None
    until: datetime | None
    """When calls (or, for a circuit, one call) may go again; null: not by itself."""


class LatencyOut(Schema):
    """From first claim to end, in ms; null when no call ran."""

    p50: float | None
    p90: float | None
    p99: float | None


class FiguresOut(Schema):
    """Finished calls summed up."""

    succeeded: int
    failed: int
    cancelled: int
    failure_rate: float
    """Failed among those that succeeded or failed, 0 to 1."""
    per_minute: float
    latency_ms: LatencyOut
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost: Decimal
    """In the currency of the prices; calls at an unknown price are in `unpriced`."""
    unpriced: int


class PartFiguresOut(FiguresOut):
    service: str
    model: str


class StatsOut(Schema):
    queued: int
    due: int
    running: int
    oldest_due_seconds: float
    persistence_pending: int
    persistence_dead: int
    since: datetime
    """The start of the 24 hours that `by_status` counts."""
    by_status: dict[str, int]
    held: list[HeldOut]
    """Pauses, circuits and limits that keep calls waiting, for all nodes."""
    finished: FiguresOut
    """Calls that finished since `since`."""
    by_service_and_model: list[PartFiguresOut]
    """The same, costliest first."""
    summed_up_at: datetime | None
    """The figures about all calls are sums of a moment ago; null: never summed up, or one's own calls."""
