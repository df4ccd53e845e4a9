"""What keeps queued calls from starting where they go, and how many: the page of a call, that of all that is held, and
the list of pauses have it from here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Q

from orchestration.clock import database_now
from orchestration.components.routing import any_routes
from orchestration.engine.throttling.open_routes import routes_of, what_holds
from orchestration.engine.throttling.reasons import ThrottleReason
from orchestration.engine.throttling.snapshot import Snapshot, read
from orchestration.engine.throttling.token_bucket import MINUTE, Bucket, seconds_gone
from orchestration.models import Pause, RateLimit, ServiceCallRecord
from orchestration.models.call_kinds import CallKind, kinds_with_routes, queued_kinds
from orchestration.routes import Route
from orchestration.stats.figures import Counted, counted_each


@dataclass(frozen=True, slots=True)
class Held:
    """Queued calls that one thing holds."""

    calls: Counted
    which: Q
    """They, as a condition on queued calls."""


def held_by_all(now: datetime | None = None) -> dict[ThrottleReason, Held]:
    """All that holds calls, or would, and which. The calls of all kinds are counted in one query."""
    moment = now or database_now()
    groups = list(_groups())
    routes = {route for group in groups for route in routes_of(group.kind, group.left)}
    reasons = present_reasons(read(), moment, routes)
    times = ((Q(due_at__lte=moment), True), (Q(due_at__gt=moment), False))
    found = [
        (holding, group.which & when)
        for group in groups
        for when, due in times
        if (holding := holding_call(group.kind, group.left, reasons, due=due))
    ]
    parts: dict[ThrottleReason, list[Held]] = {reason: [] for reason in reasons}
    queued = ServiceCallRecord.objects.queued()
    for (holding, which), calls in zip(found, counted_each(*(queued.filter(each) for _, each in found)), strict=True):
        for reason in holding if calls.count else ():
            parts[reason].append(Held(calls, which))
    return {reason: _together(held) for reason, held in parts.items()}


def held_by_pauses() -> dict[int, Counted]:
    """How many queued calls each pause holds, by its key."""
    return {reason.row.pk: held.calls for reason, held in held_by_all().items() if isinstance(reason.row, Pause)}


def holding_call(
    kind: CallKind, left: int | None, reasons: Sequence[ThrottleReason], *, due: bool
) -> list[ThrottleReason]:
    """What keeps calls of a kind from starting. Those that are not due yet are held by what a person must end: a
    circuit or a limit is likely another one by then."""
    return what_holds(kind, left, reasons if due else [reason for reason in reasons if reason.lasts])


def present_reasons(snapshot: Snapshot, now: datetime, routes: Collection[Route]) -> list[ThrottleReason]:
    """What holds calls now: what a claim knows before it begins, and the limits of these routes that it would find used
    up. A query for each of them that counts parallel calls."""
    return [
        *snapshot.reasons(now),
        *(
            ThrottleReason("rate_limited", limit.pattern, limit.routes, why=why, row=limit)
            for limit in snapshot.limits
            if not limit.is_blocked(now) and any(map(limit.routes.matches, routes)) and (why := used_up(limit, now))
        ),
    ]


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


NONE = Counted(count=0, more=False)


@dataclass(frozen=True, slots=True)
class _Group:
    """Queued calls that the same things hold, except for when they are due."""

    kind: CallKind
    left: int | None
    """Their `routes_left`."""
    which: Q


def _groups() -> Iterator[_Group]:
    """All that is queued, by kind and by the routes that are left."""
    lefts: dict[CallKind, list[int]] = defaultdict(list)
    for each in kinds_with_routes() if any_routes() else ():
        lefts[each.kind].append(each.routes_left)
    for kind in queued_kinds():
        same = Q(service_identity=kind.service_identity, client=kind.client, model_requested=kind.model)
        if kind in lefts:
            yield from (_Group(kind, left, same & Q(routes_left=left)) for left in lefts[kind])
            same &= Q(routes_left__isnull=True)
        yield _Group(kind, None, same)


def _together(parts: Sequence[Held]) -> Held:
    calls = Counted(count=sum(part.calls.count for part in parts), more=any(part.calls.more for part in parts))
    return Held(calls, reduce(or_, (part.which for part in parts), Q()) if parts else Q(pk__in=()))
