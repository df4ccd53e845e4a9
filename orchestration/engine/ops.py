"""What a worker can write about a call it holds; the journal commits them, each fenced by its lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from orchestration.engine.claim import Lease
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status
from orchestration.types import JsonObject, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Before anything is sent: the request audit. `request.repair == 0` opens a new attempt."""

    lease: Lease
    record: ServiceCallRecord
    request: AIRequestAudit


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAnswer:
    """What came back, answer or error, with its tokens and cost; before anybody judges it."""

    lease: Lease
    record: ServiceCallRecord
    answer: AIResponseAudit
    outcome: Outcome
    response: Response | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Rate-limit headers in lower case."""
    retry_after: float | None = None
    """Seconds, as the provider asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseRequest:
    """The request was given up while in flight: what came back is unknown."""

    lease: Lease
    record: ServiceCallRecord
    request: AIRequestAudit


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """The end of this claim: a terminal status, or `queued` for a later attempt."""

    lease: Lease
    record: ServiceCallRecord
    status: Status
    judged: bool = True
    """False when the call is given back untouched: what was answered is taken up by the next worker."""
    response: Response | None = None
    result: JsonObject | None = None
    error: str | None = None
    error_code: str = ""
    retryable: bool = False
    failures: int = 0
    due_at: datetime | None = None
    provider: str = ""
    model: str = ""
    persist: PersistState = PersistState.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeFailure:
    """An attempt failed and the same worker goes on with the next one (immediate execution)."""

    lease: Lease
    record: ServiceCallRecord
    failures: int


Op = OpenRequest | StoreAnswer | LoseRequest | Settle | ChargeFailure
