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
from orchestration.models.calls import PersistState, Status
from orchestration.types import JsonObject
from persistence.models import BulkKind
from persistence.replay import Policy, Replayed, Report, dry_run, persist_again, revert
from persistence.siblings import replay_with_model

REFUSED = Replayed.REFUSED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of one call; `counts` are rows by action, `error` says why it failed or was left alone."""

    outcome: str
    counts: dict[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def was_left_alone(self) -> bool:
        return self.outcome == REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOperation:
    """An operation over many calls."""

    kind: BulkKind
    title: str
    permission: str
    """`app.codename`."""
    promise: str
    """What becomes of a call, after "N calls"."""
    objection: Callable[[ServiceCallRecord, JsonObject], str]
    """Why a call in this state would be left alone; empty when it would not."""
    run: Callable[[ServiceCallRecord, JsonObject, Any], Done]
    """Do it to one call, with the options and the person who asked; a call that moved is refused, not forced."""


def operation(kind: str) -> BulkOperation:
    """The operation of a run's kind; exports have none."""
    return OPERATIONS[BulkKind(kind)]


# --- when a call is left alone --------------------------------------------------------------


def _against_retrying(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.can_be_retried else f"{call.status}; only failed and cancelled calls are retried"


def _against_cancelling(call: ServiceCallRecord, options: JsonObject) -> str:
    if call.can_be_cancelled:
        return ""
    return f"already {call.status}" if call.is_terminal else "asked to stop before"


def _against_replaying(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.is_terminal else f"{call.status}; its own answer is still to come"


def _against_persisting(call: ServiceCallRecord, options: JsonObject) -> str:
    if call.status != Status.SUCCEEDED or call.domain_persist_state == PersistState.NONE:
        return f"{call.status}; it has no result to persist"
    if call.result is None:
        return "its content was purged"
    if call.domain_persist_state == PersistState.PERSISTED and options.get("policy", Policy.KEEP) == Policy.KEEP:
        return "persisted already, and the policy is to keep that"
    return ""


def _against_reverting(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.domain_persist_state == PersistState.PERSISTED else "nothing of it is persisted"


# --- doing it to one ------------------------------------------------------------------------


def _retry(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _moved(call, call.retry, "retried")


def _cancel(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _moved(call, call.cancel, "cancelled")


def _moved(call: ServiceCallRecord, transition: Callable[[], None], outcome: str) -> Done:
    try:
        with transaction.atomic():
            transition()
    except TransitionRefused:
        return Done(outcome=REFUSED, error=f"{call.status} by now.")
    transaction.on_commit(partial(wake, call.queue), robust=True)
    return Done(outcome=outcome)


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


def _persist(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _told(persist_again(call.pk, _policy(options), force=bool(options.get("force"))))


def _preview(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _told(dry_run(call.pk, _policy(options), force=bool(options.get("force"))))


def _revert(call: ServiceCallRecord, options: JsonObject, by: Any) -> Done:
    return _told(revert(call.pk, force=bool(options.get("force"))))


def _policy(options: JsonObject) -> Policy:
    return Policy(options.get("policy", Policy.KEEP))


def _told(report: Report) -> Done:
    return Done(outcome=report.outcome.value, counts=report.counts, error=report.error)


OPERATIONS: dict[BulkKind, BulkOperation] = {
    entry.kind: entry
    for entry in (
        BulkOperation(
            kind=BulkKind.RETRY,
            title="Retry",
            permission="orchestration.retry_servicecallrecord",
            promise="will be queued again, each as a new attempt on the same record",
            objection=_against_retrying,
            run=_retry,
        ),
        BulkOperation(
            kind=BulkKind.CANCEL,
            title="Cancel",
            permission="orchestration.cancel_servicecallrecord",
            promise="will be cancelled; those that run are asked to stop",
            objection=_against_cancelling,
            run=_cancel,
        ),
        BulkOperation(
            kind=BulkKind.REPLAY,
            title="Replay",
            permission="orchestration.replay_servicecallrecord",
            promise="will be asked again, each as a new, paid call beside the old one",
            objection=_against_replaying,
            run=_replay,
        ),
        BulkOperation(
            kind=BulkKind.PERSIST,
            title="Persist again",
            permission="orchestration.persist_servicecallrecord",
            promise="will have their stored results persisted now; no model is asked",
            objection=_against_persisting,
            run=_persist,
        ),
        BulkOperation(
            kind=BulkKind.PREVIEW,
            title="Dry run",
            permission="orchestration.preview_servicecallrecord",
            promise="will be persisted in transactions that are rolled back: only counts are kept",
            objection=_against_persisting,
            run=_preview,
        ),
        BulkOperation(
            kind=BulkKind.REVERT,
            title="Take back",
            permission="orchestration.revert_servicecallrecord",
            promise="will have what they persisted removed or restored",
            objection=_against_reverting,
            run=_revert,
        ),
    )
}
