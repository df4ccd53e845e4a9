"""Rows with values that cannot be read: written by hand, or by an older version. They are set aside, not run.

A call with such a value ends as `failed` with the code `unreadable`. Its times are corrected, so that it can be shown,
and retried once the rest of it is repaired. A lease, or a result that waits to be persisted, is made due now.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction
from django.db.models import F, Func, Q

from orchestration.clock import database_now
from orchestration.engine.failure_event import announce_failure, announce_without_result
from orchestration.models import EngineCounter, ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.priority_aging import AGING_SECONDS, VirtualDueTime
from orchestration.models.states import Status
from orchestration.values.moments import EARLIEST, LAST, is_in_range
from orchestration.values.stored_json import Unreadable

logger = logging.getLogger(__name__)

UNREADABLE = "unreadable"
UNREADABLE_ROWS = "unreadable_rows"
"""The counter of rows that were set aside or corrected."""
BATCH = 500
MOST_AGED = 32_768 * AGING_SECONDS
"""What the priority can move a virtual due time by."""

_TIMES = tuple(each for each in ServiceCallRecord._meta.concrete_fields if isinstance(each, models.DateTimeField))
_COLUMNS = (*_TIMES, *(each for each in ServiceCallRecord._meta.concrete_fields if isinstance(each, models.JSONField)))


def unreadable_columns(call: ServiceCallRecord) -> list[str]:
    """The names of loaded columns that cannot be read, or hold a time out of range."""
    loaded = call.__dict__
    return [field.attname for field in _COLUMNS if _is_unreadable(loaded.get(field.attname))]


def _is_unreadable(value: Any) -> bool:
    return not is_in_range(value) if isinstance(value, datetime) else isinstance(value, Unreadable)


def set_aside(calls: Sequence[ServiceCallRecord]) -> int:
    """queued → failed, with the columns as the error; returns how many it still found queued."""
    aside = 0
    for call in calls:
        columns = unreadable_columns(call)
        message = f"This call cannot be run: what is stored in {', '.join(columns)} cannot be read."
        now = database_now()
        mended = {field.attname: None if field.null else now for field in _TIMES if field.attname in columns}
        ended = {"status": Status.FAILED, "error_code": UNREADABLE, "error": message, "retryable": False}
        mine = ServiceCallRecord.objects.queued().filter(pk=call.pk)
        if not mine.update(**ended, **mended | {"finished_at": now, "updated_at": now}):
            continue
        aside += 1
        logger.error("call set aside call_id=%s columns=%s", call.pk, ",".join(columns))
        transaction.on_commit(_Announcement(call, message), robust=True)
    if aside:
        EngineCounter.add(UNREADABLE_ROWS, aside)
    return aside


class _Announcement:
    """To be called after the commit."""

    def __init__(self, call: ServiceCallRecord, message: str) -> None:
        self.call, self.message = call, message

    def __call__(self) -> None:
        announce_failure(self.call, error_code=UNREADABLE, error=self.message, retryable=False)
        announce_without_result([self.call])


def sweep_unreadable() -> int:
    """Set aside queued calls that would never be claimed, and make leases and results due whose times are out of
    range; returns how many rows."""
    found = list(_never_due().order_by("pk")[:BATCH])
    now, rows = database_now(), 0
    with transaction.atomic():
        rows += set_aside([call for call in found if unreadable_columns(call)])
        mended = _outside(ServiceCallRecord.objects.running(), "lease_expires_at").update(lease_expires_at=now)
        waiting = _outside(ServiceCallRecord.objects.waiting_for_persistence(), "next_persist_at")
        mended += waiting.update(next_persist_at=now)
        if mended:
            EngineCounter.add(UNREADABLE_ROWS, mended)
            logger.error("unreadable times mended rows=%s", mended)
    return rows + mended


def _never_due() -> models.QuerySet[ServiceCallRecord]:
    """Read through the index of due calls, which is ordered by virtual due time."""
    calls = ServiceCallRecord.objects.queued().alias(virtual=VirtualDueTime("due_at", "priority"))
    low, high = EARLIEST.timestamp() + MOST_AGED, LAST.timestamp() - MOST_AGED
    return calls.filter(Q(virtual__lt=low) | Q(virtual__gt=high) | Q(virtual__isnull=True))


def _outside(calls: ServiceCallQuerySet, name: str) -> ServiceCallQuerySet:
    """Those whose time is out of range; on SQLite also those where the text is not a time."""
    outside = Q(**{f"{name}__lt": EARLIEST}) | Q(**{f"{name}__gt": LAST})
    if connection.vendor == "sqlite":
        calls = calls.alias(day=Func(F(name), function="julianday", output_field=models.FloatField()))
        outside |= Q(**{"day__isnull": True, f"{name}__isnull": False})
    return calls.filter(outside)
