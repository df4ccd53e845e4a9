"""The rescuer: calls whose worker died run again, or end as poisoned; due calls without a wake-up get one.

A lease that ran out does not prove a death. Where the worker's process is alive, its lease is renewed; where its
machine is alive, that machine decides; a worker that hangs loses its calls without a death being counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F, Q

from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.engine.execution.commands import Command, Settle
from orchestration.engine.execution.events import announce
from orchestration.engine.leases import outage
from orchestration.engine.leases.expired import WorkerState, worker_states
from orchestration.engine.leases.process_lock import dead_workers
from orchestration.engine.node import longest_task_seconds
from orchestration.engine.queue.claim import Lease, set_expiry
from orchestration.engine.queue.transport import wake
from orchestration.engine.queue.unreadable_rows import sweep_unreadable
from orchestration.engine.throttling.snapshot import anything_to_run
from orchestration.errors import CallPoisoned
from orchestration.models import AIRequestAudit, EngineCounter, ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.states import Status
from orchestration.models.tool_runs import ToolRun

logger = logging.getLogger(__name__)

BATCH = 500
UNKNOWN_ATTEMPTS = "unknown_attempts"
FENCED_CALLS = "fenced_calls"
"""Counts calls that were taken from workers that are alive and hang."""
CANCELLED_TEXT = "Cancelled; its worker was gone before it could stop."
Announce = Callable[[Sequence[Command]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What one rescue did, in calls; `unknown` counts requests whose answer will never be known.

    `requeued` after a death, `fenced` without one.
    """

    requeued: int = 0
    fenced: int = 0
    poisoned: int = 0
    cancelled: int = 0
    unknown: int = 0

    def __add__(self, other: Rescued) -> Rescued:
        return Rescued(**(Counter(asdict(self)) + Counter(asdict(other))))


def sweep(announce_ends: Announce = announce) -> Rescued:
    """Set aside what cannot be read, rescue expired calls, then wake a worker if anything is due.

    Idempotent; any process may do it at any time.
    """
    sweep_unreadable()
    rescued = rescue(announce_ends)
    if anything_to_run():
        # Whom the last wake-up started may be who died.
        wake(engine_settings().QUEUE, force=rescued.requeued > 0)
    return rescued


def expire_leases_of(workers: Collection[str]) -> int:
    """End the leases of workers that are known to be dead, so that their calls need not wait for them to run out;
    returns how many. If one is alive after all, its writes are stale from the next claim on."""
    return set_expiry(ServiceCallRecord.objects.running().filter(worker__in=workers), database_now())


def rescue(announce_ends: Announce = announce) -> Rescued:
    """Take calls with an expired lease from their dead workers: each counts one death and is queued again, is
    cancelled if somebody had asked for that, or fails as `poisoned` beyond MAX_DEATHS.

    Calls of workers that are alive keep their lease, those of workers that hang are queued again without a death.
    `announce_ends` announces the failures, after the commit.
    """
    workers = set(ServiceCallRecord.objects.expired().order_by().values_list("worker", flat=True).distinct())
    if outage.still_recovering():  # those that live had no time to renew; a file needs no database to say who died
        workers &= dead_workers()
    if not workers:
        return Rescued()
    states = worker_states(workers)
    _renew(_with(WorkerState.ALIVE, states))
    long_ago = database_now() - timedelta(seconds=longest_task_seconds())
    hung = Q(worker__in=_with(WorkerState.HUNG, states)) | Q(
        worker__in=_with(WorkerState.REMOTE, states), lease_expires_at__lt=long_ago
    )
    return _take_away(Q(worker__in=_with(WorkerState.DEAD, states)), announce_ends, died=True) + _take_away(
        hung, announce_ends, died=False
    )


def give_back_unheld(worker: str, held: Collection[Lease]) -> int:
    """Queue calls again that `worker`, which asks this itself, holds in the database and does not run: its connection
    broke while it claimed them, or their task broke. Returns how many; none counts a death."""
    settings = engine_settings()
    # The lease of whatever it runs is younger: it was taken, or renewed, within the last renewals.
    until = database_now() + timedelta(seconds=settings.LEASE_SECONDS - 2 * settings.RENEW_SECONDS)
    lost = ServiceCallRecord.objects.running().filter(worker=worker, lease_expires_at__lt=until)
    with transaction.atomic():
        records = list(_locked(lost.exclude(pk__in=[lease.call_id for lease in held])))
        _abandon_requests(records)
        _requeue(records, died=False)
    for record in records:
        logger.warning("call given back call_id=%s worker=%s", record.pk, worker)
    return len(records)


def _with(state: WorkerState, states: Mapping[str, WorkerState]) -> list[str]:
    return [worker for worker, found in states.items() if found is state]


def _renew(workers: list[str]) -> None:
    """In place of workers that live and are late: a machine under load, a database that answers slowly."""
    if workers:
        until = database_now() + timedelta(seconds=engine_settings().LEASE_SECONDS)
        renewed = set_expiry(ServiceCallRecord.objects.expired().filter(worker__in=workers), until)
        logger.warning("leases renewed for workers that are late workers=%s calls=%s", len(workers), renewed)


def _take_away(which: Q, announce_ends: Announce, *, died: bool) -> Rescued:
    """Take expired calls away from their workers, and count a death for each if they `died`."""
    with transaction.atomic():
        expired = list(_locked(ServiceCallRecord.objects.expired().filter(which)))
        unknown = _abandon_requests(expired)
        cancelled = [record for record in expired if record.cancel_requested_at is not None]
        wanted = [record for record in expired if record.cancel_requested_at is None]
        poisoned = [record for record in wanted if died and record.deaths >= engine_settings().MAX_DEATHS]
        requeued = [record for record in wanted if record not in poisoned]
        _requeue(requeued, died=died)
        _end(cancelled, Status.CANCELLED, "cancelled", CANCELLED_TEXT, died=died)
        ToolRun.objects.abandon([record.pk for record in (*cancelled, *poisoned)])
        for record in poisoned:
            _end([record], Status.FAILED, CallPoisoned.code, _evidence(record), died=died)
        if not died and expired:
            EngineCounter.add(FENCED_CALLS, len(expired))
    announce_ends([_as_settled(record) for record in poisoned])
    _log(requeued, poisoned, died=died)
    return Rescued(
        requeued=len(requeued) if died else 0,
        fenced=0 if died else len(requeued),
        poisoned=len(poisoned),
        cancelled=len(cancelled),
        unknown=unknown,
    )


def _locked(calls: ServiceCallQuerySet) -> ServiceCallQuerySet:
    if connection.features.has_select_for_update_skip_locked:
        calls = calls.select_for_update(skip_locked=True, of=("self",))
    return calls.order_by("pk")[:BATCH]


def _abandon_requests(records: list[ServiceCallRecord]) -> int:
    """Record that the answers to what these had sent are unknown; returns how many requests that are."""
    unknown = AIRequestAudit.objects.abandon(record.pk for record in records) if records else 0
    if unknown:
        EngineCounter.add(UNKNOWN_ATTEMPTS, unknown)
    return unknown


def _requeue(records: list[ServiceCallRecord], *, died: bool) -> None:
    now = database_now()
    ServiceCallRecord.objects.running().filter(pk__in=[record.pk for record in records]).update(
        status=Status.QUEUED, deaths=F("deaths") + int(died), due_at=now, updated_at=now
    )


def _end(records: list[ServiceCallRecord], status: Status, code: str, text: str, *, died: bool) -> None:
    now = database_now()
    ServiceCallRecord.objects.running().filter(pk__in=[record.pk for record in records]).update(
        status=status,
        deaths=F("deaths") + int(died),
        error_code=code,
        error=text,
        retryable=False,
        judged_attempts=F("attempts"),
        finished_at=now,
        updated_at=now,
    )


def _as_settled(record: ServiceCallRecord) -> Settle:
    """The end of a poisoned call, as a worker would have written it."""
    return Settle(
        lease=Lease(record.pk, record.lease_token),
        record=record,
        status=Status.FAILED,
        error=_evidence(record),
        error_code=CallPoisoned.code,
    )


def _evidence(record: ServiceCallRecord) -> str:
    return (
        f"Its worker died {record.deaths + 1} times while it ran, last {record.worker} with a lease until"
        f" {record.lease_expires_at:%Y-%m-%d %H:%M:%S} UTC, in attempt {record.attempts}."
    )


def _log(requeued: list[ServiceCallRecord], poisoned: list[ServiceCallRecord], *, died: bool) -> None:
    for record in requeued:
        logger.warning("call rescued call_id=%s worker=%s died=%s", record.pk, record.worker, died)
    for record in poisoned:
        logger.error("call poisoned call_id=%s worker=%s deaths=%s", record.pk, record.worker, record.deaths + 1)
