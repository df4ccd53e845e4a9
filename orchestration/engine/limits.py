"""What this process knows of limits, circuits and pauses: read at most once a second, so that calls cost no query."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from django.utils import timezone

from orchestration.conf import LimitSettings, engine_settings
from orchestration.lanes import Lane, LanePattern
from orchestration.models import Pause, ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.models.call_queries import ServiceCallQuerySet
from orchestration.models.kinds import CallKind, queued_kinds
from orchestration.models.limits import CircuitState, LimitSource
from orchestration.types import JsonObject

CACHE_SECONDS = 1.0
"""How late a pause or a new limit reaches a worker, at most."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why some calls do not start at present."""

    code: str
    """`paused`, `circuit_open` or `rate_limited`."""
    what: str
    lanes: LanePattern | None = None
    service: str = ""
    """The identity of the one that is held, when `lanes` is None."""
    until: datetime | None = None
    """None: until an operator resumes, or a probe succeeds."""

    def holds(self, kind: CallKind) -> bool:
        return kind.service_identity == self.service if self.lanes is None else self.lanes.matches(kind.lane)


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

    def holds(self, at: datetime) -> list[Hold]:
        """What keeps calls from starting at a moment, buckets aside."""
        found = [Hold("paused", f"the {pause}", pause.lanes, pause.name) for pause in self.pauses]
        for circuit in self.tripped:
            waits = circuit.state == CircuitState.OPEN and circuit.retry_at is not None and circuit.retry_at > at
            if waits or circuit.client in self.probing:
                until = circuit.retry_at if waits else None
                lanes = LanePattern(circuit.client, "*")
                found.append(Hold("circuit_open", f"client {circuit.client}", lanes, until=until))
        for limit in self.limits:
            if limit.blocked_until is not None and limit.blocked_until > at:
                found.append(Hold("rate_limited", limit.pattern, limit.lanes, until=limit.blocked_until))
        return found


@dataclass(slots=True)
class Limits:
    """One worker's view, shared by its claims and its journal. Used in one thread: where the database is."""

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
        """Nothing fits into this limit's buckets for some seconds; asking before is a waste."""
        self._exhausted[pattern] = time.monotonic() + seconds

    def holds(self, within: float = 0.0) -> list[Hold]:
        """What keeps calls from starting now, and still in `within` seconds."""
        snapshot, now = self.snapshot(), time.monotonic()
        at = timezone.now()
        empty = [
            Hold("rate_limited", pattern, LanePattern.parse(pattern), until=at + timedelta(seconds=until - now))
            for pattern, until in self._exhausted.items()
            if until > now + within
        ]
        return snapshot.holds(at + timedelta(seconds=within)) + empty

    def any_open(self, calls: ServiceCallQuerySet, within: float = 0.0) -> bool:
        """Whether there is one of these queued calls that nothing holds back; the buckets are asked when it is
        claimed."""
        return any(part.exists() for part in open_parts(calls, self.holds(within)))


def open_parts(calls: ServiceCallQuerySet, holds: Sequence[Hold]) -> list[ServiceCallQuerySet]:
    """Those of these queued calls that nothing holds back: all of them, or else a queryset for each kind that goes on.

    Each is read in order from an index of its own, so that it costs nothing how many calls are held.
    """
    if not holds:
        return [calls]
    return [calls.of_kind(kind) for kind in queued_kinds() if not any(hold.holds(kind) for hold in holds)]


def anything_to_run() -> bool:
    """A due call that its order, pauses, circuits and limits let run."""
    due = ServiceCallRecord.objects.due().in_turn()
    return due.exists() and Limits().any_open(due)


def held_back() -> list[JsonObject]:
    """What keeps calls waiting at present, for people and the API: kind, name, state, since and until (or None)."""
    snapshot, now = read(), timezone.now()
    found: list[JsonObject] = [
        {"kind": "pause", "name": str(pause), "state": "paused", "since": pause.paused_at, "until": None}
        for pause in snapshot.pauses
    ]
    for row in snapshot.tripped:
        found.append(
            {"kind": "circuit", "name": row.client, "state": row.state, "since": row.opened_at, "until": row.retry_at}
        )
    for limit in snapshot.limits:
        until = limit.blocked_until
        if until is not None and until > now:
            found.append({"kind": "limit", "name": limit.pattern, "state": "blocked", "since": None, "until": until})
    return found


def read() -> Snapshot:
    """The present rows, in three small queries."""
    limits = tuple(RateLimit.objects.order_by("pk"))
    circuits = tuple(ProviderCircuit.objects.exclude(state=CircuitState.CLOSED, failures=0).order_by("pk"))
    probes = {circuit.probe: circuit.client for circuit in circuits if circuit.state == CircuitState.HALF_OPEN}
    still = ServiceCallRecord.objects.running().filter(pk__in=probes) if probes else ServiceCallRecord.objects.none()
    return Snapshot(
        limits=limits,
        circuits=circuits,
        pauses=tuple(Pause.objects.order_by("pk")),
        probing=frozenset(probes[pk] for pk in still.values_list("pk", flat=True)),
    )


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


def matching(limits: tuple[RateLimit, ...], lane: Lane) -> list[RateLimit]:
    """The limits that hold for calls of a lane."""
    return [limit for limit in limits if limit.lanes.matches(lane)]
