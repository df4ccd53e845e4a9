"""Taking calls and keeping them: claim, renew, and who this worker is. Short transactions, no waiting."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import F, Model, QuerySet, prefetch_related_objects
from django.db.models.functions import Coalesce
from django.utils import timezone

from orchestration.conf import engine_settings
from orchestration.engine.gate import Gate
from orchestration.engine.limits import Limits
from orchestration.models import OrderingKey, ServiceCallRecord
from orchestration.models.aging import URGENCY
from orchestration.models.states import Status

RowT = TypeVar("RowT", bound=Model)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a call: valid while the row is running under this token."""

    call_id: str
    token: int


def worker_name() -> str:
    """A name no other worker ever has: node, process, and a random part, because process ids come back."""
    node = os.environ.get("ORCA_NODE_NAME") or socket.gethostname()
    return f"{node[:80]}:{os.getpid()}:{secrets.token_hex(4)}"


def claim(limit: int, worker: str, limits: Limits | None = None) -> list[ServiceCallRecord]:
    """Take up to `limit` due calls for `worker`, most urgent first, each with a new fencing token and a lease.

    Locked rows are skipped where the database can; calls of one ordering key are taken one at a time. Calls that are
    paused, beyond a rate limit or behind an open circuit stay as they are. `limits` is the worker's cached view.
    """
    limits = limits or Limits()
    if limit < 1 or not limits.any_open(ServiceCallRecord.objects.due()):
        return []
    with transaction.atomic():
        gate = Gate(limits)
        picked = _pick(limit, gate)
        gate.book()
        now = timezone.now()
        lease = {
            "status": Status.RUNNING,
            "lease_expires_at": now + timedelta(seconds=engine_settings().LEASE_SECONDS),
            "worker": worker,
            "updated_at": now,
        }
        ServiceCallRecord.objects.filter(pk__in=[record.pk for record in picked]).update(
            lease_token=F("lease_token") + 1, started_at=Coalesce("started_at", now), **lease
        )
    for record in picked:
        record.lease_token += 1
        record.started_at = record.started_at or now
        for name, value in lease.items():
            setattr(record, name, value)
    # Here, because the event loop that runs the call may not ask the database.
    prefetch_related_objects(picked, "related_object")
    return picked


def _pick(limit: int, gate: Gate) -> list[ServiceCallRecord]:
    """Calls that the gate admits; where it turned some away, those that come after them get the places."""
    picked: list[ServiceCallRecord] = []
    seen: list[str] = []
    while len(picked) < limit:
        room = limit - len(picked)
        calls = ServiceCallRecord.objects.claimable()
        found = _most_urgent(gate.candidates(calls.exclude(pk__in=seen) if seen else calls), room)
        picked += gate.admit(_only_in_turn(found))
        seen += [record.pk for record in found]
        if len(found) < room or not gate.narrowed:
            break
    return picked


def _most_urgent(parts: Sequence[QuerySet[ServiceCallRecord]], limit: int) -> list[ServiceCallRecord]:
    """The first ones of ordered querysets taken together."""
    if len(parts) == 1:
        return list(_skip_locked(parts[0])[:limit])
    keys = sorted(chain.from_iterable(_skip_locked(part).values_list(*URGENCY)[:limit] for part in parts))[:limit]
    rows = ServiceCallRecord.objects.in_bulk([pk for *_, pk in keys])
    return [rows[pk] for *_, pk in keys]


def _skip_locked(queryset: QuerySet[RowT]) -> QuerySet[RowT]:
    if connection.features.has_select_for_update_skip_locked:
        return queryset.select_for_update(skip_locked=True, of=("self",))
    return queryset


def _only_in_turn(picked: list[ServiceCallRecord]) -> list[ServiceCallRecord]:
    """Drop keyed calls that lost a race: each key's counter row is the lock under which its turn is checked again."""
    keys = {record.ordering_key for record in picked if record.ordering_key}
    if not keys:
        return picked
    rows = _skip_locked(OrderingKey.objects.filter(key__in=keys).order_by("key"))
    locked = set(rows.values_list("key", flat=True))
    candidates = [record.pk for record in picked if record.ordering_key in locked]
    in_turn = set(ServiceCallRecord.objects.filter(pk__in=candidates).in_turn().values_list("pk", flat=True))
    taken: set[str] = set()
    result = []
    for record in picked:
        key = record.ordering_key
        if not key or (record.pk in in_turn and key not in taken):
            result.append(record)
            taken.add(key)
    return result


def renew(worker: str, call_ids: Collection[str]) -> tuple[set[Lease], set[str]]:
    """Prolong the leases of these calls of `worker`; returns which it still holds and the ids it is asked to cancel.

    Calls that it holds in the database but does not run (the connection broke while it claimed) are left to expire.
    """
    until = timezone.now() + timedelta(seconds=engine_settings().LEASE_SECONDS)
    own = ServiceCallRecord.objects.running().filter(worker=worker, pk__in=call_ids)
    own.update(lease_expires_at=until)
    rows = list(own.values_list("pk", "lease_token", "cancel_requested_at"))
    return {Lease(pk, token) for pk, token, _ in rows}, {pk for pk, _, cancel in rows if cancel is not None}
