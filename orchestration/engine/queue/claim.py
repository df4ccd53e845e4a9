"""Claiming calls and renewing their leases, in short transactions that do not wait for locks."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet, prefetch_related_objects

from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.engine.queue.bulk_updates import REROUTED, start_running, update_routes
from orchestration.engine.queue.unreadable_rows import set_aside, unreadable_columns
from orchestration.engine.throttling.admission import Admission
from orchestration.engine.throttling.snapshot import Limits
from orchestration.models import EngineCounter, ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.compiled_query import CompiledQuery
from orchestration.models.ordering_keys import HOLDS_UP, OrderingKey
from orchestration.models.prepared_sql import cursor_for_many
from orchestration.models.priority_aging import URGENCY
from orchestration.models.states import Status

RowT = TypeVar("RowT", bound=Model)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a call: valid while the row is running under this token."""

    call_id: str
    token: int


def worker_name() -> str:
    """A name no other worker ever has: node, process, and a random part, because process ids are reused."""
    return f"{own_node()}:{os.getpid()}:{secrets.token_hex(4)}"


def own_node() -> str:
    """The node part of the names of this process's workers."""
    return (os.environ.get("ORCA_NODE_NAME") or socket.gethostname())[:80]


def node_of(worker: str) -> str:
    """The node part of a worker's name."""
    return worker.rsplit(":", 2)[0]


def claim(limit: int, worker: str, limits: Limits | None = None) -> list[ServiceCallRecord]:
    """Take up to `limit` due calls for `worker`, most urgent first, each with a new fencing token and a lease.

    Locked rows are skipped where the database can; calls of one ordering key are taken one at a time. Calls that are
    paused, beyond a rate limit or behind an open circuit stay as they are. `limits` is the worker's cached view.
    """
    limits = limits or Limits()
    kinds = _due_kinds(limits) if limit > 0 else []
    if not kinds:
        return []
    with transaction.atomic():
        admission = Admission(limits)
        picked, unreadable = _pick(limit, admission, kinds)
        admission.reserve()
        set_aside(unreadable)
        _take(picked, worker)
        _reroute(admission.moved)
    _read_related(picked)
    return picked


def hand_over(keys: Collection[str], worker: str, limits: Limits) -> list[ServiceCallRecord]:
    """Take for `worker` the call of each of these ordering keys whose turn it is now, in the caller's transaction, in
    which a running call of each key ends.

    The caller has a place for each, and nothing more urgent waits for it. What `claim` would have to weigh is left to
    it: calls of which a limit or a circuit keeps count, and calls that cannot be read.
    """
    records = _by_id(OrderingKey.lock_next(keys))
    reasons, admission = limits.reasons(), Admission(limits)
    picked = [
        record
        for record in records
        if not (
            admission.concerns([record])
            or any(reason.applies_to(record.kind) for reason in reasons)
            or unreadable_columns(record)
        )
    ]
    _take(picked, worker)
    _read_related(picked)
    return picked


_one_by_id = CompiledQuery(lambda pk: ServiceCallRecord.objects.filter(pk=pk))


def _by_id(ids: Sequence[str]) -> list[ServiceCallRecord]:
    if len(ids) > 1:
        return list(ServiceCallRecord.objects.filter(pk__in=ids))
    return [record for pk in ids if (record := _one_by_id.first(pk)) is not None]


def _take(records: Sequence[ServiceCallRecord], worker: str) -> None:
    """Give `worker` these calls, whose rows are locked."""
    now = database_now()
    lease = {
        "status": Status.RUNNING.value,
        "lease_expires_at": now + timedelta(seconds=engine_settings().LEASE_SECONDS),
        "worker": worker,
        "updated_at": now,
    }
    start_running([record.pk for record in records], now, lease)
    for record in records:
        record.lease_token += 1
        record.started_at = record.started_at or now
        for name, value in lease.items():
            setattr(record, name, value)


def _reroute(moved: Sequence[ServiceCallRecord]) -> None:
    """Last in the transaction, because all workers write the counter."""
    if moved:
        update_routes(moved)
        EngineCounter.add(REROUTED, len(moved))


def _read_related(records: Sequence[ServiceCallRecord]) -> None:
    """Here, because the event loop that runs the call may not ask the database."""
    prefetch_related_objects([record for record in records if record.related_content_type_id], "related_object")


DUE = "SELECT 1 FROM service_call_record WHERE status = 'queued' AND due_at <= %s"
DUE_KINDS = f"""
    SELECT EXISTS ({DUE}), EXISTS ({DUE} AND ordering_key = ''),
    (SELECT id FROM service_call_record WHERE {HOLDS_UP} ORDER BY ordering_key, sequence LIMIT 1) IS NOT NULL
"""  # noqa: S608 - constants


def _due_kinds(limits: Limits) -> list[ServiceCallQuerySet]:
    """What is due and could run, each kind read from an index of its own: calls without ordering key, and those with
    one whose turn it is. So none is passed over because it must wait for another."""
    now = connection.ops.adapt_datetimefield_value(database_now())
    with cursor_for_many() as cursor:
        cursor.execute(DUE_KINDS, [now, now])
        due, without_key, with_key = map(bool, cursor.fetchone())
    if not due or (limits.reasons() and not limits.any_open(ServiceCallRecord.objects.due())):
        return []
    calls = ServiceCallRecord.objects
    return [
        *([calls.claimable_without_key()] if without_key else []),
        *([calls.claimable_with_key()] if with_key else []),
    ]


def _pick(
    limit: int, admission: Admission, kinds: Sequence[ServiceCallQuerySet]
) -> tuple[list[ServiceCallRecord], list[ServiceCallRecord]]:
    """Calls that are admitted, and calls that cannot be read; where some are refused, the next ones get the places."""
    picked: list[ServiceCallRecord] = []
    unreadable: list[ServiceCallRecord] = []
    seen: list[str] = []
    while len(picked) < limit:
        room = limit - len(picked)
        left = [calls.exclude(pk__in=seen) if seen else calls for calls in kinds]
        found = _most_urgent([part for calls in left for part in admission.candidates(calls)], room)
        broken = [record for record in found if unreadable_columns(record)]
        picked += admission.admit(_only_in_turn([record for record in found if record not in broken]))
        unreadable += broken
        seen += [record.pk for record in found]
        if len(found) < room or not (admission.narrowed or broken):
            break
    return picked, unreadable


def _most_urgent(parts: Sequence[QuerySet[ServiceCallRecord]], limit: int) -> list[ServiceCallRecord]:
    """The first rows of ordered querysets, merged."""
    if len(parts) == 1:
        return list(_skip_locked(parts[0])[:limit])
    found = chain.from_iterable(_skip_locked(part).values_list(*URGENCY)[:limit] for part in parts)
    keys = sorted(found, key=_empty_first)[:limit]
    rows = ServiceCallRecord.objects.in_bulk([pk for *_, pk in keys])
    return [rows[pk] for *_, pk in keys]


def _empty_first(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """SQLite has no virtual due time where the text is not a time."""
    return key[0] is not None, key


def _skip_locked(queryset: QuerySet[RowT]) -> QuerySet[RowT]:
    if connection.features.has_select_for_update_skip_locked:
        return queryset.select_for_update(skip_locked=True, of=("self",))
    return queryset


def _only_in_turn(picked: list[ServiceCallRecord]) -> list[ServiceCallRecord]:
    """Drop calls whose turn it no longer is: their ordering keys' rows are locked for that check.

    Where the database has one writer, it still is.
    """
    keyed = {record.pk: record.ordering_key for record in picked if record.ordering_key}
    if not keyed or not connection.features.has_select_for_update_skip_locked:
        return picked
    in_turn = OrderingKey.lock_turns(keyed)
    return [record for record in picked if record.pk in in_turn or not record.ordering_key]


def set_expiry(calls: ServiceCallQuerySet, until: datetime) -> int:
    """Set when the leases of these calls run out; returns how many. Where the database can, locked
    rows are left out: waiting for one could let all the others run out. Nobody else can claim those meanwhile."""
    with transaction.atomic():
        free = list(_skip_locked(calls.order_by("pk")).values_list("pk", flat=True))
        return ServiceCallRecord.objects.running().filter(pk__in=free).update(lease_expires_at=until) if free else 0


class Renewed(NamedTuple):
    """What a renewal found."""

    held: set[Lease]
    cancel: set[str]
    """Ids of calls that somebody asked to cancel."""
    late: int
    """Leases that are held and were not prolonged, because another transaction has locked their rows."""


def renew(worker: str, call_ids: Collection[str]) -> Renewed:
    """Prolong the leases of these calls of `worker`, as far as it still holds them.

    Calls that it holds in the database but does not run (the connection broke while it claimed) are left to expire.
    """
    until = database_now() + timedelta(seconds=engine_settings().LEASE_SECONDS)
    own = ServiceCallRecord.objects.running().filter(worker=worker, pk__in=call_ids)
    prolonged = set_expiry(own, until)
    rows = list(own.values_list("pk", "lease_token", "cancel_requested_at"))
    return Renewed(
        held={Lease(pk, token) for pk, token, _ in rows},
        cancel={pk for pk, _, cancel in rows if cancel is not None},
        late=max(0, len(rows) - prolonged),
    )
