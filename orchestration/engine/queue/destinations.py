"""Where calls can go, and which of them a pause or a limit is about: operators choose from what exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import Q

from orchestration.components.registry import services
from orchestration.conf import clients_settings
from orchestration.engine.queue.enqueue import route_of
from orchestration.errors import InvalidCall
from orchestration.models import Pause, RateLimit, ServiceCallRecord
from orchestration.models.call_kinds import CallKind, queued_kinds
from orchestration.routes import Route, RoutePattern
from orchestration.stats.figures import Counted, counted

NEWEST = 1000
"""Calls that are looked at for routes which neither settings nor classes name."""
LISTED = 20


def known_routes() -> list[Route]:
    """Every client and model that settings, services, waiting calls or the newest calls name, sorted. Two queries."""
    clients = clients_settings().clients
    newest = ServiceCallRecord.objects.order_by("-created_at", "-id").values_list("client", "model_requested")[:NEWEST]
    found = {
        *(Route(name, client.model) for name, client in clients.items()),
        *(route_of(service) for service in services.all().values()),
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


# --- what they are about now ------------------------------------------------------------------


def held_by(pause: Pause, kinds: Iterable[CallKind] | None = None) -> Counted:
    """The queued calls that a pause holds back. `kinds`: those that are queued, where they are known already."""
    routes = pause.routes
    return _queued(
        kind
        for kind in (queued_kinds() if kinds is None else kinds)
        if (kind.service_identity == pause.name if routes is None else routes.matches(kind.route))
    )


def waiting_under(limit: RateLimit, kinds: Iterable[CallKind] | None = None) -> Counted:
    """The queued calls that a limit applies to."""
    routes = limit.routes
    return _queued(kind for kind in (queued_kinds() if kinds is None else kinds) if routes.matches(kind.route))


def _queued(kinds: Iterator[CallKind]) -> Counted:
    """Each kind is a range of the index of queued calls."""
    which = Q(pk__in=[])
    for kind in kinds:
        which |= Q(service_identity=kind.service_identity, client=kind.client, model_requested=kind.model)
    return counted(ServiceCallRecord.objects.queued().filter(which))
