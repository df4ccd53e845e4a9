"""What a worker can write about a call it holds; the group commit fences each by its lease."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from orchestration.engine.queue.claim import Lease
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status
from orchestration.models.tool_runs import ToolRun
from orchestration.types import JsonObject, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Before anything is sent: the request audit. `request.repair == 0` opens a new attempt."""

    lease: Lease
    record: ServiceCallRecord
    request: AIRequestAudit


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAnswer:
    """What came back, answer or error, with its tokens and cost; before it is validated."""

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
class AbandonRequest:
    """The request was given up while in flight: what came back is unknown."""

    lease: Lease
    record: ServiceCallRecord
    request: AIRequestAudit


class NextRoute(NamedTuple):
    """Where a call goes next, as columns of its row."""

    client: str
    model_requested: str
    routes_left: int
    route_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """The end of this claim: a terminal status, or `queued` for a later attempt."""

    lease: Lease
    record: ServiceCallRecord
    status: Status
    validated: bool = True
    """False when the call is given back: the next worker uses an answer that is stored already."""
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
    route: NextRoute | None = None
    """Where it goes next, when that changes."""
    answer: StoreAnswer | None = None
    """The answer that it settles, where that is not stored yet."""
    waits_for: frozenset[str] = frozenset()
    """The keys of tools' runs that people are to decide on: it is due at once where one was decided meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeFailure:
    """An attempt failed, and the same worker starts the next one (immediate execution)."""

    lease: Lease
    record: ServiceCallRecord
    failures: int
    route: NextRoute | None = None
    """Where that one goes, when it changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRuns:
    """Before tools are run: those of an answer that have no row yet, and those that are begun again."""

    lease: Lease
    record: ServiceCallRecord
    new: Sequence[ToolRun] = ()
    again: Sequence[int] = ()
    """Their keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun:
    """After a tool was run: what came of it."""

    lease: Lease
    record: ServiceCallRecord
    run: ToolRun


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonRuns:
    """The call ends while tools run: what they did is unknown."""

    lease: Lease
    record: ServiceCallRecord


def answers_in(commands: Iterable[Command]) -> list[StoreAnswer]:
    """The answers that these store, whether alone or with the end of the call."""
    found = (command.answer if isinstance(command, Settle) else command for command in commands)
    return [each for each in found if isinstance(each, StoreAnswer)]


Command = OpenRequest | StoreAnswer | AbandonRequest | Settle | ChargeFailure | BeginRuns | EndRun | AbandonRuns
