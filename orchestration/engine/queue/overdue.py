"""What waits longest beyond its time, by the indexes of due times: asked every few seconds, whatever the queue is."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile

from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.ordering_keys import FirstInTurn, OrderingKey

LOOKED_AT = 500
"""Calls that are due longest: of these the first whose turn it is, is nearly always the very first."""
LONGEST_DUE = ("due_at", "ordering_key", "id")
"""The columns of the index `call_longest_due`."""


def longest_due(now: datetime) -> ServiceCallRecord | None:
    """Of the calls that were due at this moment and that no other call of their ordering key holds up, the one that has
    been due longest, however little urgent it is; without its content."""
    due = ServiceCallRecord.objects.due(now).order_by(*LONGEST_DUE)
    first = list(due.values_list("pk", "ordering_key")[:LOOKED_AT])
    keys = {key for _, key in takewhile(lambda row: row[1], first)}
    in_turn = OrderingKey.in_turn(keys, now) if keys else set()
    found = next((pk for pk, key in first if not key or pk in in_turn), None)
    if found is None and len(first) == LOOKED_AT:
        found = _beyond_those(now)
    return None if found is None else ServiceCallRecord.objects.filter(pk=found).defer(*CONTENT).first()


CONTENT = ("input", "context", "result")


def _beyond_those(now: datetime) -> str | None:
    """The same, where all that are due longest wait for others: as many steps as there are ordering keys in use."""
    calls = ServiceCallRecord.objects
    parts: tuple[ServiceCallQuerySet, ...] = (
        calls.due(now).filter(ordering_key=""),
        calls.filter(FirstInTurn("pk", "status"), due_at__lte=now),
    )
    found = [row for part in parts for row in part.order_by(*LONGEST_DUE).values_list(*LONGEST_DUE)[:1]]
    return min(found)[-1] if found else None


def longest_pending(now: datetime) -> ServiceCallRecord | None:
    """Of the results that were due at this moment to become rows, the one that has been due longest."""
    pending = ServiceCallRecord.objects.pending_persistence(now).order_by("next_persist_at")
    return pending.only("next_persist_at").first()
