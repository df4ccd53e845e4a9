"""What keeps calls from running at this moment, and how many: the other side of `waiting.waits_of`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from orchestration.clock import database_now
from orchestration.engine.queue.destinations import Waiting, held_by, queued_by_kind
from orchestration.engine.queue.unreadable_rows import UNREADABLE
from orchestration.engine.queue.waiting import used_up
from orchestration.engine.throttling.snapshot import Snapshot, read
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.states import OrderingPolicy
from orchestration.stats.figures import Counted, counted

NEWEST = 2_000
"""Failed calls, and dead ones, that are asked whether they hold the later ones of their key."""
LISTED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One thing that holds calls back."""

    code: str
    """`paused`, `circuit_open`, `rate_limited`, `order`, `set_aside` or `not_due`."""
    what: str
    why: str
    remedy: str
    calls: Counted
    """That it holds."""
    since: datetime | None = None
    """When somebody began to hold them."""
    reason: str = ""
    """What they said then."""
    until: datetime | None = None
    """When it ends by itself, where that is known."""
    call_id: str = ""
    """The call that is to be mended first."""
    service: str = ""
    """The identity of the service, when it holds all of its calls and no others."""


def holds(now: datetime | None = None) -> list[Hold]:
    """All of them, what people did first. A dozen small queries, whatever the number of calls."""
    moment, snapshot = now or database_now(), read()
    waiting = queued_by_kind()
    return [
        *_pauses(snapshot, waiting),
        *_circuits(snapshot, waiting, moment),
        *_limits(snapshot, waiting, moment),
        *_keys(),
        *_set_aside(),
        *_later(moment),
    ]


def _pauses(snapshot: Snapshot, waiting: Waiting) -> Iterator[Hold]:
    for pause in snapshot.pauses:
        yield Hold(
            code="paused",
            what=str(pause),
            why="Somebody paused it",
            since=pause.paused_at,
            reason=pause.reason,
            remedy="Resume it",
            calls=held_by(pause, waiting),
            service=pause.name if pause.routes is None else "",
        )


def _circuits(snapshot: Snapshot, waiting: Waiting, now: datetime) -> Iterator[Hold]:
    for circuit in snapshot.tripped:
        if circuit.waits(now) or circuit.client in snapshot.probing:
            error = f", last with {circuit.last_error_code}" if circuit.last_error_code else ""
            mine = [calls for kind, calls in waiting.items() if kind.client == circuit.client]
            yield Hold(
                code="circuit_open",
                what=f"client {circuit.client}",
                why=f"Its provider keeps failing{error}",
                remedy="One call tries it from time to time; all follow when that is answered",
                calls=Counted(count=sum(each.count for each in mine), more=any(each.more for each in mine)),
                until=circuit.retry_at if circuit.waits(now) else None,
            )


def _limits(snapshot: Snapshot, waiting: Waiting, now: datetime) -> Iterator[Hold]:
    for limit in snapshot.limits:
        blocked = limit.is_blocked(now)
        why = "The provider asked to wait" if blocked else used_up(limit, now)
        calls = held_by(limit, waiting)
        if why and calls.count:
            yield Hold(
                code="rate_limited",
                what=limit.pattern,
                why=why[:1].upper() + why[1:],
                remedy="It ends by itself; raise the limit, if the provider allows more",
                calls=calls,
                until=limit.blocked_until if blocked else None,
            )


def _keys() -> Iterator[Hold]:
    """Failed and dead calls whose services let the later ones of their ordering key wait for them."""
    calls = ServiceCallRecord.objects
    for rows, said, remedy in (
        (calls.failed(), "failed", "Retry or cancel it"),
        (calls.dead(), "could not be persisted", "Reprocess it"),
    ):
        for first in _first_of_keys(rows):
            behind = calls.queued().filter(ordering_key=first.ordering_key, sequence__gt=first.sequence)
            waiting = counted(behind)
            if waiting.count:
                yield Hold(
                    code="order",
                    what=first.ordering_key,
                    why=f"Number {first.sequence} {said}, and its service lets the later ones wait",
                    remedy=remedy,
                    calls=waiting,
                    call_id=first.pk,
                )


def _first_of_keys(rows: ServiceCallQuerySet) -> Iterable[ServiceCallRecord]:
    """Of the newest rows, the first one of each key that holds others."""
    newest = rows.order_by("-created_at", "-id").values("pk")[:NEWEST]
    holding = ServiceCallRecord.objects.filter(~Q(ordering_key=""), pk__in=newest, ordering_policy=OrderingPolicy.HOLD)
    columns = holding.only("id", "ordering_key", "sequence", "status", "domain_persist_state")
    first: dict[str, ServiceCallRecord] = {}
    for call in columns.order_by("ordering_key", "sequence"):
        first.setdefault(call.ordering_key, call)
    return list(first.values())[:LISTED]


def _set_aside() -> Iterator[Hold]:
    aside = counted(ServiceCallRecord.objects.failed().filter(error_code=UNREADABLE, error_code__gt=""))
    if aside.count:
        yield Hold(
            code="set_aside",
            what="rows that cannot be read",
            why="What is stored in them cannot be read, so they were set aside",
            remedy="Correct the columns that their error names, and retry them",
            calls=aside,
        )


def _later(now: datetime) -> Iterator[Hold]:
    later = ServiceCallRecord.objects.queued().filter(due_at__gt=now)
    first = later.order_by("due_at").values_list("due_at", flat=True).first()
    if first is not None:
        yield Hold(
            code="not_due",
            what="calls for later",
            why="They were scheduled, or failed and wait for their next attempt; the first is due",
            remedy="They run by themselves",
            calls=counted(later),
            until=first,
        )
