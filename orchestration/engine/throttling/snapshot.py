"""A snapshot of limits, circuits and pauses, read at most once a second, so that calls cost no query for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property

from orchestration.clock import database_now
from orchestration.conf import LimitSettings, engine_settings
from orchestration.engine.throttling.open_routes import with_a_way
from orchestration.engine.throttling.reasons import ThrottleReason, code_of
from orchestration.errors import InvalidCall
from orchestration.models import Pause, ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.models.call_kinds import queued_kinds
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.throttles import CircuitState, LimitSource
from orchestration.routes import Route, RoutePattern
from orchestration.types import JsonObject

logger = logging.getLogger(__name__)

CACHE_SECONDS = 1.0
"""How late a pause or a new limit reaches a worker, at most."""


@dataclass(frozen=True)
class Snapshot:
    """The rows as they were a moment ago."""

    limits: tuple[RateLimit, ...] = ()
    circuits: tuple[ProviderCircuit, ...] = ()
    """Those that are not healthy."""
    pauses: tuple[Pause, ...] = ()
    probing: frozenset[str] = frozenset()
    """Clients whose probe still runs."""

    @cached_property
    def metered(self) -> tuple[RateLimit, ...]:
        return tuple(limit for limit in self.limits if limit.is_metered)

    @cached_property
    def tripped(self) -> tuple[ProviderCircuit, ...]:
        return tuple(circuit for circuit in self.circuits if circuit.state != CircuitState.CLOSED)

    def is_clean(self, client: str) -> bool:
        """The client's circuit is closed and counts no failures."""
        return all(circuit.client != client for circuit in self.circuits)

    def reasons(self, at: datetime) -> list[ThrottleReason]:
        """Why calls do not start at a moment, buckets aside."""
        found = [ThrottleReason("paused", f"the {each}", each.routes, each.name, row=each) for each in self.pauses]
        for circuit in self.tripped:
            waits = circuit.waits(at)
            if waits or circuit.client in self.probing:
                until = circuit.retry_at if waits else None
                routes = RoutePattern(circuit.client, "*")
                what = f"client {circuit.client}"
                found.append(ThrottleReason("circuit_open", what, routes, until=until, row=circuit))
        for limit in self.limits:
            if limit.is_blocked(at):
                until = limit.blocked_until
                found.append(ThrottleReason("rate_limited", limit.pattern, limit.routes, until=until, row=limit))
        return found


@dataclass(slots=True)
class Limits:
    """One worker's view, shared by its claims and its group commit. Used in one thread: the one of the database."""

    cache_seconds: float = CACHE_SECONDS
    _snapshot: Snapshot | None = None
    _read_at: float = 0.0
    _seeded: bool = False
    _exhausted: dict[str, float] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        now = time.monotonic()
        if self._snapshot is None or now - self._read_at >= self.cache_seconds:
            if not self._seeded:
                seed(engine_settings().LIMITS)
                self._seeded = True
            self._snapshot, self._read_at = read(), now
        return self._snapshot

    def forget(self) -> None:
        """This process changed something: read again when next asked."""
        self._snapshot = None

    def exhausted(self, pattern: str, seconds: float) -> None:
        """This limit's buckets are empty for some seconds; do not ask before."""
        self._exhausted[pattern] = time.monotonic() + seconds

    def reasons(self, within: float = 0.0) -> list[ThrottleReason]:
        """Why calls do not start now, and still will not in `within` seconds."""
        snapshot, now = self.snapshot(), time.monotonic()
        at = database_now()
        empty = [
            ThrottleReason(
                "rate_limited", pattern, RoutePattern.parse(pattern), until=at + timedelta(seconds=until - now)
            )
            for pattern, until in self._exhausted.items()
            if until > now + within
        ]
        return snapshot.reasons(at + timedelta(seconds=within)) + empty

    def hold_something(self) -> bool:
        """Whether calls may be waiting that could start when others end."""
        return bool(self.reasons() or self.snapshot().metered)

    def any_open(self, calls: ServiceCallQuerySet, within: float = 0.0) -> bool:
        """Whether there is one of these queued calls that nothing holds back; the buckets are checked when it is
        claimed."""
        return any(part.exists() for part in open_parts(calls, self.reasons(within)))


def open_parts(calls: ServiceCallQuerySet, reasons: Sequence[ThrottleReason]) -> list[ServiceCallQuerySet]:
    """Those of these queued calls that nothing holds back, or that can go around it: all of them, or a queryset for
    each kind that may run.

    Each is read in order from an index of its own, so that it costs nothing how many calls are held.
    """
    if not reasons:
        return [calls]
    return [
        *(calls.of_kind(kind) for kind in queued_kinds() if not code_of(reasons, kind)),
        *(calls.of_kind_with_routes(kind) for kind in with_a_way(reasons)),
    ]


def anything_to_run() -> bool:
    """A due call that its order, pauses, circuits and limits let run."""
    due = ServiceCallRecord.objects.due().in_turn()
    return due.exists() and Limits().any_open(due)


def held_back() -> list[JsonObject]:
    """What keeps calls waiting at present, for people and the API: kind, name, state, since and until (or None)."""
    snapshot, now = read(), database_now()
    found: list[JsonObject] = [
        {"kind": "pause", "name": str(pause), "state": "paused", "since": pause.paused_at, "until": None}
        for pause in snapshot.pauses
    ]
    for row in snapshot.tripped:
        found.append(
            {"kind": "circuit", "name": row.client, "state": row.state, "since": row.opened_at, "until": row.retry_at}
        )
    for limit in snapshot.limits:
        if limit.is_blocked(now):
            held = {"kind": "limit", "name": limit.pattern, "state": "blocked"}
            found.append({**held, "since": None, "until": limit.blocked_until})
    return found


def read() -> Snapshot:
    """The present rows, in three small queries."""
    limits = tuple(filter(_can_be_read, RateLimit.objects.order_by("pk")))
    circuits = tuple(ProviderCircuit.objects.exclude(state=CircuitState.CLOSED, failures=0).order_by("pk"))
    probes = {circuit.probe: circuit.client for circuit in circuits if circuit.state == CircuitState.HALF_OPEN}
    still = ServiceCallRecord.objects.running().filter(pk__in=probes) if probes else ServiceCallRecord.objects.none()
    return Snapshot(
        limits=limits,
        circuits=circuits,
        pauses=tuple(filter(_can_be_read, Pause.objects.order_by("pk"))),
        probing=frozenset(probes[pk] for pk in still.values_list("pk", flat=True)),
    )


def _can_be_read(row: RateLimit | Pause) -> bool:
    """A pattern that somebody wrote by hand, past the checks, holds nothing; the others hold all the same."""
    try:
        row.routes  # noqa: B018 - is parsed
    except InvalidCall as error:
        _warn(str(error))
        return False
    return True


@cache
def _warn(message: str) -> None:
    """Once in a process: it is read every second."""
    logger.warning("limit or pause left out error=%s", message)


def seed(wanted: dict[str, LimitSettings]) -> None:
    """Make the rows that came from the settings say what the settings say; rows that people edited stay."""
    known = {limit.pattern: limit for limit in RateLimit.objects.all()}
    for pattern, limit in wanted.items():
        row = known.get(pattern)
        if row is None:
            RateLimit.objects.get_or_create(
                pattern=pattern, defaults={"source": LimitSource.SETTINGS, **limit.model_dump()}
            )
        elif row.source != LimitSource.ADMIN and any(
            vars(row)[name] != value for name, value in limit.model_dump().items()
        ):
            RateLimit.objects.filter(pk=row.pk).update(source=LimitSource.SETTINGS, **limit.model_dump())
    gone = [row.pk for row in known.values() if row.source == LimitSource.SETTINGS and row.pattern not in wanted]
    if gone:
        RateLimit.objects.filter(pk__in=gone).delete()


def matching(limits: tuple[RateLimit, ...], route: Route) -> list[RateLimit]:
    """The limits that apply to a route."""
    return [limit for limit in limits if limit.routes.matches(route)]
