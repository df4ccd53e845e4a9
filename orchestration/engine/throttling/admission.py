"""Admission: which of the calls that a claim picked may run now, decided in its transaction.

Limits and circuits that matter are locked, in one order, until the claim commits; so what is counted here is exact
under any number of workers. Where nothing is limited, no query is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.functions import Now

from orchestration.clock import database_now
from orchestration.engine.throttling.open_routes import find_way, has_way, plan_of_call
from orchestration.engine.throttling.reasons import ThrottleReason, code_of
from orchestration.engine.throttling.snapshot import Limits, open_parts
from orchestration.engine.throttling.token_bucket import Bucket, counted_from, seconds_gone
from orchestration.errors import CallHeld
from orchestration.models import ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.models.call_kinds import CallKind
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.throttles import CircuitState
from orchestration.routes import Route, RoutePattern
from orchestration.values.content_tokens import content_tokens

RowT = TypeVar("RowT", bound=Model)
PARALLEL_PAUSE = 0.02
"""Seconds until a limit of parallel calls is worth asking again."""
LONGEST_PAUSE = 1.0
"""The same for any limit, because somebody may raise it."""
EVERYTHING = 1_000_000


@dataclass(slots=True)
class Allowance:
    """How many calls a locked limit still admits."""

    limit: RateLimit
    left: float = EVERYTHING
    """In calls of the usual size."""
    used: int = 0
    content: int = 0
    """Tokens of the content that the admitted calls show, beside those of a usual call."""


@dataclass(slots=True)
class Probe:
    """A circuit that is not closed; it admits one call when it is time to try."""

    circuit: ProviderCircuit
    left: int
    call_id: str = ""


@dataclass(slots=True)
class Admission:
    """The decisions of one claim, within its transaction."""

    limits: Limits
    narrowed: bool = False
    """Calls were refused: there may be others, further behind, that would be admitted."""
    moved: list[ServiceCallRecord] = field(default_factory=list)
    """Those that were admitted on another of their routes than the one in their row."""
    _reasons: list[ThrottleReason] = field(default_factory=list)
    _allowances: list[Allowance] | None = None
    _probes: dict[str, Probe] = field(default_factory=dict)

    def candidates(self, calls: ServiceCallQuerySet) -> list[ServiceCallQuerySet]:
        """The queued calls worth picking, in parts that are each in the order of `calls`."""
        used_up = [allowance.limit.routes for allowance in self._allowances or () if allowance.left < 1]
        probed = [RoutePattern(client, "*") for client, probe in self._probes.items() if probe.left < 1]
        self._reasons = [
            *self.limits.reasons(),
            *(ThrottleReason("rate_limited", str(routes), routes) for routes in used_up),
            *(ThrottleReason("circuit_open", str(routes), routes) for routes in probed),
        ]
        return open_parts(calls, self._reasons)

    def admit(
        self, picked: Sequence[ServiceCallRecord], *, own: ServiceCallRecord | None = None
    ) -> list[ServiceCallRecord]:
        """Those that may run, in their order, with what they are expected to use reserved.

        A call that has several routes goes to the first one that takes it: `moved` has those whose rows then change.
        `own` is a call that is written as running already and does not count against itself.
        """
        if not self.concerns(picked):
            return list(picked)
        if self._allowances is None:
            self._lock(own)
        admitted = [call for call in picked if self._place(call)]
        self.narrowed = len(admitted) < len(picked)
        return admitted

    def refuse_held(self, call: ServiceCallRecord) -> None:
        """CallHeld when a pause, a limit or a circuit holds the call, and it has no way around."""
        self._reasons = self.limits.reasons()
        held = next((reason for reason in self._reasons if reason.applies_to(call.kind)), None)
        if held is None or has_way(call, self._reasons):
            return
        seconds = None if held.until is None else max(0.0, (held.until - database_now()).total_seconds())
        raise CallHeld(_held(held.code, held.what), code=held.code, seconds=seconds)

    def reserve(self) -> None:
        """Write what was reserved; the caller commits it with the claim."""
        for allowance in self._allowances or ():
            if allowance.used:
                _reserve(allowance)
            if allowance.left < 1:
                self.limits.exhausted(allowance.limit.pattern, _pause(allowance.limit))
        for probe in self._probes.values():
            if probe.call_id and ProviderCircuit.objects.probe(probe.circuit, probe.call_id):
                self.limits.forget()

    def concerns(self, picked: Iterable[ServiceCallRecord]) -> bool:
        """Whether something is counted of these, so that rows must be locked to admit them, or one was picked to go
        around what holds it."""
        snapshot = self.limits.snapshot()
        if any(call.routes_left is not None and code_of(self._reasons, call.kind) for call in picked):
            return True
        tripped = {circuit.client for circuit in snapshot.tripped}
        routes = {call.route for call in picked}
        return any(route.client in tripped for route in routes) or any(
            limit.routes.matches(route) for limit in snapshot.metered for route in routes
        )

    def _lock(self, own: ServiceCallRecord | None) -> None:
        snapshot = self.limits.snapshot()
        rows = RateLimit.objects.filter(pk__in=[limit.pk for limit in snapshot.metered]).order_by("pk")
        # The database's clock, because every node refills: with their own, the fastest one would set the rate.
        self._allowances = [_allowance(limit, limit.clock, own) for limit in _locked(rows.annotate(clock=Now()))]
        circuits = ProviderCircuit.objects.filter(pk__in=[row.pk for row in snapshot.tripped]).order_by("pk")
        for circuit in _locked(circuits):
            if circuit.state != CircuitState.CLOSED:
                self._probes[circuit.client] = Probe(circuit, _probes_due(circuit))

    def _place(self, call: ServiceCallRecord) -> bool:
        """Reserve for a call what its route has to count; False when it must wait."""
        plan = plan_of_call(call)
        if plan is None:
            return not self._reserved(call, call.route)

        def held_by(route: Route) -> str:
            kind = CallKind(call.service_identity, *route)
            return code_of(self._reasons, kind) or self._reserved(call, route)

        way = find_way(plan, plan.asked(call.route), call.routes_left or 0, held_by)
        if way is not None and way.passed:
            call.go_to(way.route, way.reason)
            self.moved.append(call)
        return way is not None

    def _reserved(self, call: ServiceCallRecord, route: Route) -> str:
        """Reserve what a route has to count for a call; why that cannot be, as a code, or nothing."""
        concerned = [found for found in self._allowances or () if found.limit.routes.matches(route)]
        probe = self._probes.get(route.client)
        if probe is not None and probe.left < 1:
            return "circuit_open"
        if any(allowance.left < 1 for allowance in concerned):
            return "rate_limited"
        for allowance in concerned:
            _take(allowance, call)
        if probe is not None:
            probe.left, probe.call_id = 0, call.pk
        return ""


def admit_now(call: ServiceCallRecord, limits: Limits) -> bool:
    """Admit one call that is about to run at once, in the caller's transaction; CallHeld says why it must wait.

    True when it goes to another of its routes than its row says, which the caller writes.
    """
    admission = Admission(limits)
    admission.refuse_held(call)
    admitted = admission.admit([call], own=call)
    admission.reserve()  # where it was refused, this notes what is exhausted
    if not admitted:
        raise CallHeld(_held("rate_limited", str(call.route)), code="rate_limited", seconds=PARALLEL_PAUSE)
    return bool(admission.moved)


def _held(code: str, what: str) -> str:
    return {
        "paused": f"Paused: {what}.",
        "circuit_open": f"The circuit of {what} is open: its provider keeps failing.",
        "rate_limited": f"The rate limit of {what} is used up.",
    }[code]


def _locked(rows: QuerySet[RowT]) -> QuerySet[RowT]:
    return rows.select_for_update() if connection.features.has_select_for_update else rows


def _allowance(limit: RateLimit, now: datetime, own: ServiceCallRecord | None) -> Allowance:
    """Refill a locked limit and say how many calls fit."""
    _refill(limit, now)
    fits = [EVERYTHING]
    if limit.is_blocked(now):
        fits.append(0)
    if limit.requests_per_minute:
        fits.append(Bucket(limit.requests_per_minute).fits(limit.requests_available))
    if limit.tokens_per_minute:
        fits.append(Bucket(limit.tokens_per_minute).fits(limit.tokens_available, limit.tokens_per_request))
    if limit.parallel:
        running = ServiceCallRecord.objects.running().filter(limit.routes.condition())
        fits.append(limit.parallel - (running.exclude(pk=own.pk) if own else running).count())
    return Allowance(limit, left=max(0, min(fits)))


def _take(allowance: Allowance, call: ServiceCallRecord) -> None:
    """One call less. One that shows more than what is left is admitted all the same, and the next ones wait longer:
    there may never be room for it at once."""
    allowance.left -= 1
    allowance.used += 1
    if allowance.limit.tokens_per_minute:
        content = content_tokens(call.input, call.context, call.service_kwargs)
        allowance.content += content
        allowance.left -= content / max(allowance.limit.tokens_per_request, 1)


def _pause(limit: RateLimit) -> float:
    """Seconds until it is worth asking an exhausted limit again."""
    waits = [PARALLEL_PAUSE]
    if limit.requests_per_minute:
        waits.append(Bucket(limit.requests_per_minute).seconds_until(limit.requests_available))
    if limit.tokens_per_minute:
        waits.append(Bucket(limit.tokens_per_minute).seconds_until(limit.tokens_available, limit.tokens_per_request))
    return min(max(waits), LONGEST_PAUSE)


def _refill(limit: RateLimit, now: datetime) -> None:
    seconds = float(EVERYTHING) if limit.refilled_at is None else seconds_gone(limit.refilled_at, now)
    if limit.requests_per_minute:
        limit.requests_available = Bucket(limit.requests_per_minute).filled(limit.requests_available, seconds)
    if limit.tokens_per_minute:
        limit.tokens_available = Bucket(limit.tokens_per_minute).filled(limit.tokens_available, seconds)
    limit.refilled_at = counted_from(limit.refilled_at, now)


def _reserve(allowance: Allowance) -> None:
    limit, calls = allowance.limit, allowance.used
    if limit.requests_per_minute:
        limit.requests_available -= calls
    if limit.tokens_per_minute:
        limit.tokens_available -= calls * limit.tokens_per_request + allowance.content
    limit.save(update_fields=["requests_available", "tokens_available", "refilled_at"])


def _probes_due(circuit: ProviderCircuit) -> int:
    if circuit.state == CircuitState.OPEN:
        return int(not circuit.waits(database_now()))
    return int(not ServiceCallRecord.objects.running().filter(pk=circuit.probe).exists())
