"""Why a queued call does not run at this moment, and what would let it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from orchestration.causes.known import known
from orchestration.clock import database_now
from orchestration.engine.queue.held_calls import holding_call, present_reasons
from orchestration.engine.throttling.open_routes import routes_of
from orchestration.engine.throttling.reasons import ThrottleReason
from orchestration.engine.throttling.snapshot import Snapshot, read
from orchestration.errors import PUT_OFF
from orchestration.models import Pause, ProviderCircuit, ServiceCallRecord, WorkerNode
from orchestration.models.states import UNFINISHED_IN_ORDER, PersistState, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One thing that keeps a call from running."""

    code: str
    """`not_due`, one of PUT_OFF, `order`, `paused`, `circuit_open`, `rate_limited`, `no_worker` or `queue`."""
    why: str
    remedy: str
    """What would let it run."""
    what: str = ""
    """What holds it, where there can be several with this code: as `holding.Hold` names it."""
    until: datetime | None = None
    """When it ends by itself, where that is known."""
    call_id: str = ""
    """The call that it waits for."""


def waits_of(call: ServiceCallRecord, now: datetime | None = None) -> list[Wait]:
    """All that holds back a queued call, the first thing first; empty for a call that is not queued.

    At most eight small queries.
    """
    if call.status != Status.QUEUED:
        return []
    moment, snapshot = now or database_now(), read()
    found = [
        *_not_due(call, moment),
        *_order(call),
        *_holds(call, snapshot, moment),
        *_workers(moment),
    ]
    return found or [_in_line(call)]


def _not_due(call: ServiceCallRecord, now: datetime) -> Iterator[Wait]:
    if call.due_at <= now:
        return
    if call.error_code in PUT_OFF:
        cause = known(call.error_code)
        yield Wait(code=call.error_code, why=cause.said, remedy=cause.remedy)
        return
    again = call.failures > 0 or call.error_code
    yield Wait(
        code="not_due",
        why=f"Attempt {call.attempts} failed; the next one waits" if again else "It was scheduled for later",
        remedy="It runs by itself when its time has come; cancel it, if it should not.",
        until=call.due_at,
    )


# --- order --------------------------------------------------------------------------------------


def _order(call: ServiceCallRecord) -> Iterator[Wait]:
    if not call.ordering_key:
        return
    same_key = ServiceCallRecord.objects.filter(ordering_key=call.ordering_key).exclude(pk=call.pk)
    under_way = Q(status=Status.RUNNING) | Q(domain_persist_state=PersistState.PENDING)
    before = same_key.filter(Q(UNFINISHED_IN_ORDER, sequence__lt=call.sequence) | under_way).order_by("sequence")
    first = before.only("status", "domain_persist_state", "sequence").first()
    if first is not None:
        yield Wait(
            code="order",
            what=call.ordering_key,
            why=f"Number {first.sequence} of {call.ordering_key} comes first: it is {stage(first)}",
            remedy=remedy_for(first),
            call_id=first.pk,
        )


def stage(call: ServiceCallRecord) -> str:
    """Where a call is that others of its ordering key wait for, after "it is"."""
    if call.status != Status.SUCCEEDED:
        return str(call.status)
    return STAGES.get(call.domain_persist_state, call.domain_persist_state)


STAGES: dict[str, str] = {PersistState.PENDING: "not persisted yet", PersistState.HELD: "waiting for approval"}


def remedy_for(first: ServiceCallRecord) -> str:
    """What lets the later ones of its ordering key run."""
    if first.status == Status.FAILED:
        return "Retry or cancel that call: its service holds the later ones until it succeeds."
    if first.domain_persist_state == PersistState.HELD:
        return "Approve or reject its result: its service holds the later ones until somebody decides."
    if first.domain_persist_state == PersistState.DEAD:
        return "Reprocess that call: its service holds the later ones until its result is persisted."
    return "It runs when that call has ended and its result is persisted."


# --- pauses, circuits, limits -------------------------------------------------------------------


def _holds(call: ServiceCallRecord, snapshot: Snapshot, now: datetime) -> Iterator[Wait]:
    """What holds it where it goes; nothing when another of its routes is open."""
    reasons = present_reasons(snapshot, now, routes_of(call.kind, call.routes_left))
    for reason in holding_call(call.kind, call.routes_left, reasons, due=call.due_at <= now):
        yield _wait(reason)


def _wait(reason: ThrottleReason) -> Wait:
    match reason.row:
        case Pause() as pause:
            because = f" ({pause.reason})" if pause.reason else ""
            why = f"The {pause} has been paused since {pause.paused_at:%Y-%m-%d %H:%M} UTC{because}"
            remedy = "Resume it."
        case ProviderCircuit() as circuit:
            error = f", last with {circuit.last_error_code}" if circuit.last_error_code else ""
            why = f"The provider of client {circuit.client} keeps failing{error}"
            remedy = "One call tries it from time to time; all continue when that is answered."
        case _:
            why = f"The limit of {reason.what}: {reason.why or 'the provider asked to wait'}"
            remedy = "It continues by itself; raise the limit, if the provider allows more."
    return Wait(code=reason.code, what=reason.name, why=why, remedy=remedy, until=reason.until)


# --- workers ------------------------------------------------------------------------------------

NO_WORKER = "No worker is alive"
START_ONE = "Start `manage.py qcluster`."


def is_any_worker_alive(now: datetime) -> bool:
    return WorkerNode.objects.alive(now).exists()


def _workers(now: datetime) -> Iterator[Wait]:
    if not is_any_worker_alive(now):
        yield Wait(code="no_worker", why=NO_WORKER, remedy=START_ONE)


def _in_line(call: ServiceCallRecord) -> Wait:
    running = ServiceCallRecord.objects.running().count()
    return Wait(
        code="queue",
        why=f"Nothing holds it: {running:,} calls run, and it is next, or more urgent ones are before it",
        remedy="It runs when a worker is free; another node, or more calls at once, would take it sooner.",
    )
