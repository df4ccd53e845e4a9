"""The open route of a call that has several: where one is held, the call takes the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestration.components.routing import RoutePlan, any_routes, plan_of_identity
from orchestration.engine.throttling.reasons import ThrottleReason, code_of
from orchestration.models import ServiceCallRecord
from orchestration.models.call_kinds import CallKind, KindWithRoutes, kinds_with_routes
from orchestration.routes import Route

HeldBy = Callable[[Route], str]
"""Why a call would not start on a route, as a code; empty when it would."""


@dataclass(frozen=True, slots=True)
class Way:
    """The route that a call can take, and the routes that it passes over for that, each with the reason."""

    route: Route
    passed: tuple[tuple[Route, str], ...] = ()

    @property
    def reason(self) -> str:
        """As it is stored with the call."""
        return ", ".join(f"{route}: {code}" for route, code in self.passed)


def find_way(plan: RoutePlan, own: Route, left: int, held_by: HeldBy) -> Way | None:
    """The first open route: its own one, then those that it may still ask, in their order.

    None when each is held, or one by something that its plan does not get around.
    """
    passed: list[tuple[Route, str]] = []
    for route in _in_order(plan, own, left):
        code = held_by(route)
        if not code:
            return Way(route, tuple(passed))
        if code not in plan.on:
            return None
        passed.append((route, code))
    return None


def _in_order(plan: RoutePlan, own: Route, left: int) -> Iterator[Route]:
    yield own
    yield from (route for route in plan.allowed(left) if route != own)


def plan_of_call(call: ServiceCallRecord) -> RoutePlan | None:
    """The routes that a call may go, as its class and the settings are now; None when it has one."""
    return None if call.routes_left is None else plan_of_identity(call.service_identity)


def with_a_way(reasons: Sequence[ThrottleReason]) -> list[KindWithRoutes]:
    """The kinds of queued calls that are held where they are, and not on every route."""
    if not any_routes():
        return []
    held = (each for each in kinds_with_routes() if code_of(reasons, each.kind))
    return [each for each in held if not what_holds(each.kind, each.routes_left, reasons)]


def has_way(call: ServiceCallRecord, reasons: Sequence[ThrottleReason]) -> bool:
    """Whether a call that is held where it is can go to another of its routes."""
    return call.routes_left is not None and not what_holds(call.kind, call.routes_left, reasons)


def routes_of(kind: CallKind, left: int | None) -> list[Route]:
    """Where calls of a kind may go from here, their own route first. `left`: their `routes_left`."""
    plan = None if left is None else plan_of_identity(kind.service_identity)
    return [kind.route] if plan is None or left is None else list(_in_order(plan, plan.asked(kind.route), left))


def what_holds(kind: CallKind, left: int | None, reasons: Sequence[ThrottleReason]) -> list[ThrottleReason]:
    """Those of the reasons that keep calls of a kind from starting; none while a route that they may ask is open.

    The claim, the page of a call and the counts of held calls all ask here. `left`: their `routes_left`.
    """
    plan = None if left is None else plan_of_identity(kind.service_identity)
    if plan is None or left is None:
        return [reason for reason in reasons if reason.applies_to(kind)]
    found: dict[ThrottleReason, None] = {}

    def held_by(route: Route) -> str:
        there = CallKind(kind.service_identity, *route)
        found.update(dict.fromkeys(reason for reason in reasons if reason.applies_to(there)))
        return code_of(reasons, there)

    way = find_way(plan, plan.asked(kind.route), left, held_by)
    return [] if way is not None else list(found)
