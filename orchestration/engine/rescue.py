"""Rescue: calls whose worker died run again, or end as poisoned; due calls that nobody was woken for get a wake-up."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from orchestration.conf import engine_settings
from orchestration.engine.announce import announce_failure
from orchestration.engine.limits import anything_to_run
from orchestration.engine.submit import wake
from orchestration.errors import CallPoisoned
from orchestration.models import AIRequestAudit, EngineCounter, ServiceCallRecord
from orchestration.models.states import Status

logger = logging.getLogger(__name__)

BATCH = 500
UNKNOWN_ATTEMPTS = "unknown_attempts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What one rescue did, in calls; `unknown` counts requests whose answer nobody will ever know."""

    requeued: int = 0
    poisoned: int = 0
    cancelled: int = 0
    unknown: int = 0


def sweep() -> Rescued:
    """Rescue expired calls, then wake a worker if anything is due. Idempotent; any process may do it at any time."""
    rescued = rescue()
    if anything_to_run():
        wake(engine_settings().QUEUE)
    return rescued


def bury(node: str, pid: int) -> int:
    """End the leases of a worker process that is known to be dead, so that its calls need not wait for them to run
    out; returns how many. Should it live after all, its writes are stale from the next claim on."""
    own = ServiceCallRecord.objects.running().filter(worker__startswith=f"{node}:{pid}:")
    return own.update(lease_expires_at=timezone.now())


class Outage:
    """What this process saw of the database being away.

    After an outage that leases cannot outlive, every living worker needs the time of a renewal to say that it lives;
    until then an expired lease proves nothing.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._resume_at = 0.0

    def seen(self) -> None:
        """The database cannot be reached at this moment."""
        if self._since is None:
            self._since = time.monotonic()

    def still_recovering(self) -> bool:
        """To be asked while the database answers."""
        settings, now = engine_settings(), time.monotonic()
        if self._since is not None:
            if now - self._since > settings.LEASE_SECONDS - 2 * settings.RENEW_SECONDS:
                self._resume_at = now + 1.5 * settings.RENEW_SECONDS
            self._since = None
        return now < self._resume_at


_outage = Outage()


def database_away() -> None:
    """Whoever rescues regularly calls this when the database could not be reached."""
    _outage.seen()


def rescue() -> Rescued:
    """Take calls with an expired lease from their dead workers: each counts one death and is queued again, is
    cancelled if somebody had asked for that, or fails as `poisoned` beyond MAX_DEATHS."""
    expired_ones = ServiceCallRecord.objects.expired().exists()
    if _outage.still_recovering() or not expired_ones:
        return Rescued()
    with transaction.atomic():
        rows = ServiceCallRecord.objects.expired().order_by("pk")
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        expired = list(rows[:BATCH])
        unknown = AIRequestAudit.objects.lose(record.pk for record in expired)
        if unknown:
            EngineCounter.add(UNKNOWN_ATTEMPTS, unknown)
        cancelled = [record for record in expired if record.cancel_requested_at is not None]
        alive = [record for record in expired if record.cancel_requested_at is None]
        poisoned = [record for record in alive if record.deaths >= engine_settings().MAX_DEATHS]
        requeued = [record for record in alive if record.deaths < engine_settings().MAX_DEATHS]
        _requeue(requeued)
        _end(cancelled, Status.CANCELLED, "cancelled", "Cancelled; its worker died before it could stop.")
        for record in poisoned:
            _end([record], Status.FAILED, CallPoisoned.code, _evidence(record))
    for record in poisoned:
        announce_failure(record, error_code=CallPoisoned.code, error=_evidence(record), retryable=False)
    _log(requeued, poisoned)
    return Rescued(requeued=len(requeued), poisoned=len(poisoned), cancelled=len(cancelled), unknown=unknown)


def _requeue(records: list[ServiceCallRecord]) -> None:
    now = timezone.now()
    ServiceCallRecord.objects.running().filter(pk__in=[record.pk for record in records]).update(
        status=Status.QUEUED, deaths=F("deaths") + 1, due_at=now, updated_at=now
    )


def _end(records: list[ServiceCallRecord], status: Status, code: str, text: str) -> None:
    now = timezone.now()
    ServiceCallRecord.objects.running().filter(pk__in=[record.pk for record in records]).update(
        status=status,
        deaths=F("deaths") + 1,
        error_code=code,
        error=text,
        retryable=False,
        judged_attempts=F("attempts"),
        finished_at=now,
        updated_at=now,
    )


def _evidence(record: ServiceCallRecord) -> str:
    return (
        f"Its worker died {record.deaths + 1} times while it ran, last {record.worker} with a lease until"
        f" {record.lease_expires_at:%Y-%m-%d %H:%M:%S} UTC, in attempt {record.attempts}."
    )


def _log(requeued: list[ServiceCallRecord], poisoned: list[ServiceCallRecord]) -> None:
    for record in requeued:
        logger.warning("call rescued call_id=%s worker=%s deaths=%s", record.pk, record.worker, record.deaths + 1)
    for record in poisoned:
        logger.error("call poisoned call_id=%s worker=%s deaths=%s", record.pk, record.worker, record.deaths + 1)
