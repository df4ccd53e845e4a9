"""What keeps calls from running at this moment, and how many: the other side of `waiting.waits_of`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Count, Q

from orchestration.causes.known import known
from orchestration.clock import database_now
from orchestration.engine.queue.held_calls import Held, held_by_all
from orchestration.engine.queue.unreadable_rows import UNREADABLE
from orchestration.engine.queue.waiting import NO_WORKER, START_ONE, is_any_worker_alive, remedy_for, stage
from orchestration.engine.throttling.reasons import ThrottleReason
from orchestration.errors import PUT_OFF
from orchestration.models import Pause, ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.ordering_keys import OrderingKey
from orchestration.models.states import PersistState, Status
from orchestration.stats.figures import COUNTED_UP_TO, Counted, counted

KEYS = 2_000
"""Ordering keys that are asked how many calls wait in them."""
LISTED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One thing that holds calls back."""

    code: str
    """One of those of `waiting.Wait` except for `queue`, or `set_aside`."""
    what: str
    why: str
    remedy: str
    calls: Counted
    """That it holds."""
    which: Q
    """They, as a condition on calls."""
    since: datetime | None = None
    """When somebody began to hold them."""
    reason: str = ""
    """What they said then."""
    until: datetime | None = None
    """When it ends by itself, where that is known."""
    call_id: str = ""
    """The call that is to be mended first."""

    @property
    def name(self) -> str:
        """By which lists ask for the calls that it holds."""
        return f"{self.code}:{self.what}"


def holds(now: datetime | None = None) -> tuple[list[Hold], bool]:
    """(all of them, what people did first; whether more ordering keys wait than are listed). A dozen small queries."""
    moment = now or database_now()
    held = held_by_all(moment)
    keys, is_cut = _keys(moment, held)
    return [*_held(held), *_workers(moment), *keys, *_set_aside(), *_later(moment)], is_cut


def _held(found: Mapping[ThrottleReason, Held]) -> Iterator[Hold]:
    for reason, held in found.items():
        if isinstance(reason.row, RateLimit) and not held.calls.count:
            continue
        pause = reason.row if isinstance(reason.row, Pause) else None
        why, remedy = _in_words(reason)
        yield Hold(
            code=reason.code,
            what=reason.name,
            why=why,
            remedy=remedy,
            calls=held.calls,
            which=Q(status=Status.QUEUED) & held.which,
            since=pause.paused_at if pause else None,
            reason=pause.reason if pause else "",
            until=reason.until,
        )


def _in_words(reason: ThrottleReason) -> tuple[str, str]:
    """Why it holds, and what helps."""
    match reason.row:
        case Pause():
            return "Somebody paused it", "Resume it"
        case ProviderCircuit() as circuit:
            error = f", last with {circuit.last_error_code}" if circuit.last_error_code else ""
            return (
                f"Its provider keeps failing{error}",
                "One call tries it from time to time; all follow when that is answered",
            )
        case _:
            why = reason.why or "the provider asked to wait"
            return why[:1].upper() + why[1:], "It ends by itself; raise the limit, if the provider allows more"


def _workers(now: datetime) -> Iterator[Hold]:
    calls = ServiceCallRecord.objects.queued()
    if not is_any_worker_alive(now) and calls.exists():
        yield Hold(
            code="no_worker",
            what="all calls",
            why=NO_WORKER,
            remedy=START_ONE.rstrip("."),
            calls=counted(calls),
            which=Q(status=Status.QUEUED),
        )


# --- order --------------------------------------------------------------------------------------


def _keys(now: datetime, held: Mapping[ThrottleReason, Held]) -> tuple[list[Hold], bool]:
    """What ended calls hold whose services let the later ones of their ordering keys wait for them, those that hold
    most first; and all that waits for calls that are not due yet, or that something else holds."""
    ids = OrderingKey.waited_for(now, KEYS + 1, _held_and_due(now, held))
    firsts = list(_firsts(ids)) if ids else []
    behind = _queued_of([first.ordering_key for first in firsts]) if firsts else {}
    ended = [first for first in firsts if first.status != Status.QUEUED]
    ended.sort(key=lambda first: (-behind[first.ordering_key], first.ordering_key))
    found = [_behind_ended(first, behind[first.ordering_key]) for first in ended[:LISTED]]
    for what, is_due in (("calls that are not due yet", False), ("calls that are held themselves", True)):
        some = [first for first in firsts if first.status == Status.QUEUED and (first.due_at <= now) is is_due]
        if some:
            found.append(_behind_queued(what, some, sum(behind[first.ordering_key] - 1 for first in some)))
    return found, len(ended) > LISTED or len(ids) > KEYS


def _held_and_due(now: datetime, held: Mapping[ThrottleReason, Held]) -> ServiceCallQuerySet | None:
    conditions = [each.which for each in held.values() if each.calls.count]
    return ServiceCallRecord.objects.queued().filter(reduce(or_, conditions), due_at__lte=now) if conditions else None


def _firsts(ids: list[str]) -> ServiceCallQuerySet:
    """Without results that are about to be persisted."""
    calls = ServiceCallRecord.objects.filter(pk__in=ids[:KEYS]).exclude(domain_persist_state=PersistState.PENDING)
    return calls.only("id", "ordering_key", "sequence", "status", "domain_persist_state", "due_at")


def _queued_of(keys: list[str]) -> dict[str, int]:
    queued = ServiceCallRecord.objects.queued().filter(~Q(ordering_key=""), ordering_key__in=keys)
    return dict(queued.order_by().values_list("ordering_key").annotate(number=Count("pk")))


def _behind_ended(first: ServiceCallRecord, number: int) -> Hold:
    return Hold(
        code="order",
        what=first.ordering_key,
        why=f"Number {first.sequence} comes first: it is {stage(first)}",
        remedy=remedy_for(first).rstrip("."),
        calls=_capped(number),
        which=Q(status=Status.QUEUED, ordering_key=first.ordering_key, sequence__gt=first.sequence),
        call_id=first.pk,
    )


def _behind_queued(what: str, firsts: list[ServiceCallRecord], number: int) -> Hold:
    keys = [first.ordering_key for first in firsts]
    behind = Q(status=Status.QUEUED, ordering_key__in=keys) & ~Q(pk__in=[first.pk for first in firsts])
    return Hold(
        code="order",
        what=what,
        why="They come first in their ordering keys",
        remedy="The others follow when those have run",
        calls=_capped(number),
        which=behind,
    )


def _capped(number: int) -> Counted:
    return Counted(count=min(number, COUNTED_UP_TO), more=number > COUNTED_UP_TO)


# --- calls that are set aside, and those for later ------------------------------------------------


def _set_aside() -> Iterator[Hold]:
    which = Q(status=Status.FAILED, error_code=UNREADABLE, error_code__gt="")
    aside = counted(ServiceCallRecord.objects.filter(which))
    if aside.count:
        yield Hold(
            code="set_aside",
            what="rows that cannot be read",
            why="What is stored in them cannot be read, so they were set aside",
            remedy="Correct the columns that their error names, and retry them",
            calls=aside,
            which=which,
        )


def _later(now: datetime) -> Iterator[Hold]:
    """Calls that are not due: put off, each kind by itself; and those that were scheduled or failed."""
    later = Q(status=Status.QUEUED, due_at__gt=now)
    for code in sorted(PUT_OFF):
        which = later & Q(error_code=code, error_code__gt="")
        calls = counted(ServiceCallRecord.objects.filter(which))
        if calls.count:
            cause = known(code)
            remedy = cause.remedy.rstrip(".")
            yield Hold(code=code, what="calls", why=cause.said, remedy=remedy, calls=calls, which=which)
    which = later & ~Q(error_code__in=PUT_OFF)
    first = ServiceCallRecord.objects.filter(which).order_by("due_at").values_list("due_at", flat=True).first()
    if first is not None:
        yield Hold(
            code="not_due",
            what="calls for later",
            why="They were scheduled, or failed and wait for their next attempt; the first is due",
            remedy="They run by themselves",
            calls=counted(ServiceCallRecord.objects.filter(which)),
            which=which,
            until=first,
        )
