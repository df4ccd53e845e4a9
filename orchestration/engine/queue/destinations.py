"""Where calls can go, and how many of them come under a limit: operators choose from what exists."""

from __future__ import annotations

from collections.abc import Iterable

from orchestration.components.registry import services
from orchestration.components.routing import plan_of, route_of
from orchestration.conf import clients_settings
from orchestration.errors import InvalidCall
from orchestration.models import RateLimit, ServiceCallRecord
from orchestration.models.call_kinds import CallKind, queued_kinds
from orchestration.routes import Route, RoutePattern
from orchestration.stats.figures import Counted, counted_each

NEWEST = 1000
"""Calls that are looked at for routes which neither settings nor classes name."""
LISTED = 20


def known_routes() -> list[Route]:
    """Every client and model that settings, services, waiting calls or the newest calls name, sorted. Two queries."""
    clients, registered = clients_settings().clients, services.all().values()
    plans = [plan for plan in map(plan_of, registered) if plan is not None]
    newest = ServiceCallRecord.objects.order_by("-created_at", "-id").values_list("client", "model_requested")[:NEWEST]
    found = {
        *(Route(name, client.model) for name, client in clients.items()),
        *(route_of(service) for service in registered),
        *(route for plan in plans for route in plan.routes),
        *(kind.route for kind in queued_kinds()),
        *(Route(*each) for each in newest),
    }
    return sorted(route for route in found if route.client and route.model)


def known_patterns(routes: Iterable[Route]) -> list[str]:
    """What a pause or a limit can name: each route, all models of each client, and everything."""
    listed = list(routes)
    clients = dict.fromkeys(route.client for route in listed)
    return [*map(str, listed), *(f"{client}/*" for client in clients), "*/*"]


def check_pattern(text: str) -> RoutePattern:
    """The pattern; InvalidCall when it is not written like one, or matches no client and model that exists."""
    pattern = RoutePattern.parse(text)
    routes = known_routes()
    if not any(map(pattern.matches, routes)):
        listed = ", ".join(map(str, routes[:LISTED])) or "none"
        raise InvalidCall(f"Nothing goes to {text}, so it would hold nothing. There are: {listed}.")
    return pattern


# --- what comes under a limit now -------------------------------------------------------------

Waiting = dict[CallKind, Counted]


def queued_by_kind() -> Waiting:
    """How many calls of each kind are queued; a query for the kinds and one for each, over the index of their calls."""
    kinds = list(queued_kinds())
    return dict(zip(kinds, counted_each(*map(ServiceCallRecord.objects.queued().of_kind, kinds)), strict=True))


def under(limit: RateLimit, waiting: Waiting | None = None) -> Counted:
    """The queued calls that come under a limit where they go now. `waiting`: where that is known already."""
    found = queued_by_kind() if waiting is None else waiting
    try:
        routes = limit.routes
    except InvalidCall:  # written by hand; nothing does
        return Counted(count=0, more=False)
    mine = [number for kind, number in found.items() if routes.matches(kind.route)]
    return Counted(count=sum(each.count for each in mine), more=any(each.more for each in mine))
