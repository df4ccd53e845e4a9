"""What can be done to calls one after the other: when it would leave a call alone, and how it is done to one.

Each goes through the transitions and functions that everyone else uses, and says what came of it instead of raising.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import transaction

from orchestration.engine.submit import wake
from orchestration.errors import OrchestrationError, TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.operating import against_cancelling, against_retrying
from orchestration.types import JsonObject
from persistence.bulk_rows import Trouble
from persistence.models import BulkKind
from persistence.replay import replay_held, revert_held
from persistence.reports import Policy, Report
from persistence.siblings import replay_with_model

REFUSED = Trouble.REFUSED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of one call; `counts` are rows by action, `error` says why it failed or was left alone."""

    outcome: str
    counts: dict[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def was_left_alone(self) -> bool:
        return self.outcome == REFUSED


Run = Callable[[ServiceCallRecord, JsonObject, Any], Done]
"""Does it to one call, whose row the transaction holds, with the options and the person who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOperation:
    """An operation over many calls."""

    kind: BulkKind
    title: str
    promise: str
    """What becomes of a call, after "N calls"."""
    objection: Callable[[ServiceCallRecord, JsonObject], str]
    """Why a call in this state would be left alone; empty when it would not."""
    run: Run

    @property
    def permission(self) -> str:
        """`app.codename`."""
        return f"orchestration.{self.kind.value}_servicecallrecord"


_operations: dict[BulkKind, BulkOperation] = {}


def operation(kind: str) -> BulkOperation:
    """The operation of a run's kind; exports have none."""
    return _operations[BulkKind(kind)]


def _operation(
    kind: BulkKind, title: str, promise: str, objection: Callable[[ServiceCallRecord, JsonObject], str]
) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        _operations[kind] = BulkOperation(kind=kind, title=title, promise=promise, objection=objection, run=run)
        return run

    return add


# --- when a call is left alone --------------------------------------------------------------


def _against_retrying(call: ServiceCallRecord, options: JsonObject) -> str:
    return against_retrying(call)


def _against_cancelling(call: ServiceCallRecord, options: JsonObject) -> str:
    return against_cancelling(call)


def _against_replaying(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.is_terminal else f"{call.status}; its own answer is still to come"


def _against_persisting(call: ServiceCallRecord, options: JsonObject) -> str:
    if call.status != Status.SUCCEEDED or call.domain_persist_state == PersistState.NONE:
        return f"{call.status}; it has no result to persist"
    if call.result is None:
        return "its content was purged"
    if call.domain_persist_state == PersistState.PERSISTED and _policy(options) is Policy.KEEP:
        return "persisted already, and the policy is to keep that"
    return ""


def _against_reverting(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.domain_persist_state == PersistState.PERSISTED else "nothing of it is persisted"


# --- doing it to one ------------------------------------------------------------------------


@_operation(
    BulkKind.RETRY, "Retry", "will be queued again, each as a new attempt on the same record", _against_retrying
)
def _retry(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _moved(call, call.retry, "retried")


@_operation(BulkKind.CANCEL, "Cancel", "will be cancelled; those that run are asked to stop", _against_cancelling)
def _cancel(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _moved(call, call.cancel, "cancelled")


def _moved(call: ServiceCallRecord, transition: Callable[[], None], outcome: str) -> Done:
    try:
        transition()
    except TransitionRefused:
        return Done(outcome=REFUSED, error=f"{call.status} by now.")
    transaction.on_commit(partial(wake, call.queue), robust=True)
    return Done(outcome=outcome)


@_operation(
    BulkKind.REPLAY, "Replay", "will be asked again, each as a new, paid call beside the old one", _against_replaying
)
def _replay(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    objection = _against_replaying(call, options)
    if objection:
        return Done(outcome=REFUSED, error=objection)
    try:
        replay_with_model(
            call, model=options.get("model") or None, temperature=options.get("temperature"), requested_by=by
        )
    except OrchestrationError as error:
        return Done(outcome=REFUSED, error=str(error))
    return Done(outcome="asked again")


@_operation(
    BulkKind.PERSIST,
    "Persist again",
    "will have their stored results persisted now; no model is asked",
    _against_persisting,
)
def _persist(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _told(replay_held(call, _policy(options), force=_forced(options), dry=False))


@_operation(
    BulkKind.PREVIEW,
    "Dry run",
    "will be persisted in transactions that are rolled back: only counts are kept",
    _against_persisting,
)
def _preview(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _told(replay_held(call, _policy(options), force=_forced(options), dry=True))


@_operation(BulkKind.REVERT, "Take back", "will have what they persisted removed or restored", _against_reverting)
def _revert(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _told(revert_held(call, force=_forced(options)))


def _policy(options: JsonObject) -> Policy:
    return Policy(options.get("policy", Policy.KEEP))


def _forced(options: JsonObject) -> bool:
    return bool(options.get("force"))


def _told(report: Report) -> Done:
    return Done(outcome=report.outcome.value, counts=report.counts, error=report.error)
