"""Why a queued call does not run at this moment, and what would let it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from orchestration.clock import database_now
from orchestration.engine.throttling.open_routes import find_way, plan_of_call
from orchestration.engine.throttling.snapshot import Snapshot, read
from orchestration.engine.throttling.token_bucket import MINUTE, Bucket, seconds_gone
from orchestration.models import Pause, RateLimit, ServiceCallRecord, WorkerNode
from orchestration.models.states import UNFINISHED_IN_ORDER, PersistState, Status
from orchestration.routes import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One thing that keeps a call from running."""

    code: str
    """`not_due`, `order`, `paused`, `circuit_open`, `rate_limited`, `no_worker` or `queue`."""
    why: str
    remedy: str
    """What would let it run."""
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


def _holds(call: ServiceCallRecord, snapshot: Snapshot, now: datetime) -> list[Wait]:
    """What holds it where it goes; nothing when another of its routes is open."""
    plan = plan_of_call(call)
    if plan is None:
        return list(_holds_on(call, call.route, snapshot, now))
    held: dict[Route, list[Wait]] = {}

    def held_by(route: Route) -> str:
        held[route] = list(_holds_on(call, route, snapshot, now))
        return held[route][0].code if held[route] else ""

    way = find_way(plan, plan.asked(call.route), call.routes_left or 0, held_by)
    return [] if way is not None else list(dict.fromkeys(wait for waits in held.values() for wait in waits))


def _holds_on(call: ServiceCallRecord, route: Route, snapshot: Snapshot, now: datetime) -> Iterator[Wait]:
    yield from _pauses(call, route, snapshot)
    yield from _circuits(route, snapshot, now)
    yield from _limits(route, snapshot, now)


def _not_due(call: ServiceCallRecord, now: datetime) -> Iterator[Wait]:
    if call.due_at > now:
        again = call.failures > 0
        yield Wait(
            code="not_due",
            why=f"Attempt {call.attempts} failed; the next one waits" if again else "It was scheduled for later",
            remedy="It runs by itself when its time has come; cancel it, if it should not.",
            until=call.due_at,
        )


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
            why=f"Number {first.sequence} of {call.ordering_key} comes first: it is {_stage(first)}",
            remedy=_remedy_for(first),
            call_id=first.pk,
        )


def _stage(call: ServiceCallRecord) -> str:
    if call.status == Status.SUCCEEDED:
        return "not persisted yet" if call.domain_persist_state == PersistState.PENDING else call.domain_persist_state
    return str(call.status)


def _remedy_for(first: ServiceCallRecord) -> str:
    if first.status == Status.FAILED:
        return "Retry or cancel that call: its service holds the later ones until it succeeds."
    if first.domain_persist_state == PersistState.HELD:
        return "Approve or reject its result: its service holds the later ones until somebody decides."
    if first.domain_persist_state == PersistState.DEAD:
        return "Reprocess that call: its service holds the later ones until its result is persisted."
    return "It runs when that call has ended and its result is persisted."


def _pauses(call: ServiceCallRecord, route: Route, snapshot: Snapshot) -> Iterator[Wait]:
    for pause in snapshot.pauses:
        if _is_of(pause, call, route):
            reason = f" ({pause.reason})" if pause.reason else ""
            yield Wait(
                code="paused",
                why=f"The {pause} has been paused since {pause.paused_at:%Y-%m-%d %H:%M} UTC{reason}",
                remedy="Resume it.",
            )


def _is_of(pause: Pause, call: ServiceCallRecord, route: Route) -> bool:
    routes = pause.routes
    return pause.name == call.service_identity if routes is None else routes.matches(route)


def _circuits(route: Route, snapshot: Snapshot, now: datetime) -> Iterator[Wait]:
    for circuit in snapshot.tripped:
        if circuit.client == route.client and (circuit.waits(now) or circuit.client in snapshot.probing):
            error = f", last with {circuit.last_error_code}" if circuit.last_error_code else ""
            yield Wait(
                code="circuit_open",
                why=f"The provider of client {circuit.client} keeps failing{error}",
                remedy="One call tries it from time to time; all continue when that is answered.",
                until=circuit.retry_at if circuit.waits(now) else None,
            )


def _limits(route: Route, snapshot: Snapshot, now: datetime) -> Iterator[Wait]:
    for limit in snapshot.limits:
        if limit.routes.matches(route):
            blocked = limit.is_blocked(now)
            why = "the provider asked to wait" if blocked else used_up(limit, now)
            if why:
                yield Wait(
                    code="rate_limited",
                    why=f"The limit of {limit.pattern}: {why}",
                    remedy="It continues by itself; raise the limit, if the provider allows more.",
                    until=limit.blocked_until if blocked else None,
                )


def used_up(limit: RateLimit, now: datetime) -> str:
    """What of a limit is used up at this moment; empty when a call fits."""
    seconds = MINUTE if limit.refilled_at is None else seconds_gone(limit.refilled_at, now)
    if limit.requests_per_minute:
        bucket = Bucket(limit.requests_per_minute)
        if not bucket.fits(bucket.filled(limit.requests_available, seconds)):
            return f"{limit.requests_per_minute} requests a minute are used up"
    if limit.tokens_per_minute:
        bucket = Bucket(limit.tokens_per_minute)
        if not bucket.fits(bucket.filled(limit.tokens_available, seconds), limit.tokens_per_request):
            return f"{limit.tokens_per_minute} tokens a minute are used up"
    if (
        limit.parallel
        and ServiceCallRecord.objects.running().filter(limit.routes.condition()).count() >= limit.parallel
    ):
        return f"{limit.parallel} calls run at the same time"
    return ""


def _workers(now: datetime) -> Iterator[Wait]:
    if not WorkerNode.objects.alive(now).exists():
        yield Wait(code="no_worker", why="No worker is alive", remedy="Start `manage.py qcluster`.")


def _in_line(call: ServiceCallRecord) -> Wait:
    running = ServiceCallRecord.objects.running().count()
    return Wait(
        code="queue",
        why=f"Nothing holds it: {running:,} calls run, and it is next, or more urgent ones are before it",
        remedy="It runs when a worker is free; another node, or more calls at once, would take it sooner.",
    )
