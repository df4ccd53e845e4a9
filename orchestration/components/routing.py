"""Where the calls of a service go: to one client and model, or to the first of several routes that can take them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from orchestration.components.registry import services
from orchestration.components.service import Service
from orchestration.conf import clients_settings
from orchestration.routes import FallbackCodes, Route, RouteChoice, Routes
from orchestration.typed_settings import explain

_ROUTES: TypeAdapter[tuple[RouteChoice, ...]] = TypeAdapter(Routes)
_CODES: TypeAdapter[tuple[str, ...]] = TypeAdapter(FallbackCodes)


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """The routes of a service's calls, and when they go from one to the next.

    Of a call its row says which routes it may still ask before the next backoff: `routes_left`, a bit for each.
    """

    routes: tuple[Route, ...]
    weights: tuple[int, ...]
    """Of the routes; 0 for those that only take what others cannot. Empty: every call begins with the first route."""
    on: frozenset[str]
    """Error codes, and reasons to wait, after which a call continues on its next route."""

    @property
    def all(self) -> int:
        """`routes_left` of a call that may ask every route."""
        return (1 << len(self.routes)) - 1

    def begin(self) -> Route:
        """The route that a call asks first."""
        if not self.weights:
            return self.routes[0]
        return random.choices(self.routes, self.weights)[0]  # noqa: S311 - a share, not a secret

    def asked(self, route: Route) -> Route:
        """The route that a call with this one in its row asks: the first, when its list was changed since."""
        return route if route in self.routes else self.routes[0]

    def allowed(self, left: int) -> tuple[Route, ...]:
        """The routes that a call may still ask, in their order."""
        return tuple(route for bit, route in enumerate(self.routes) if left >> bit & 1)

    def without(self, left: int, route: Route) -> int:
        """`routes_left` once this route of the plan has failed."""
        return left & ~(1 << self.routes.index(route))


def plan_of(service: type[Service] | None) -> RoutePlan | None:
    """The plan of calls that name neither client nor model themselves; None when there is one way to go."""
    if service is None:
        return None
    clients = clients_settings()
    choices = _declared(service)
    if choices is None and (service.client or service.model or clients.ROUTES is None):
        return None
    choices = choices or clients.ROUTES or ()
    routes = [Route(choice.client, choice.model or _model_of(choice.client)) for choice in choices]
    weights = tuple(choice.weight or 0 for choice in choices)
    return RoutePlan(tuple(routes), weights if any(weights) else (), _codes(service) or frozenset(clients.FALLBACK_ON))


def plan_of_identity(identity: str) -> RoutePlan | None:
    """`plan_of` the service that a row names; None also for one that no longer exists."""
    return plan_of(services.try_get(identity))


def route_of(service: type[Service], client: str | None = None, model: str | None = None) -> Route:
    """The client and model that a call of this service asks first, as settings and class are now.

    A call that names a model alone asks the client of the service's first route for it.
    """
    plan = None if client or model else plan_of(service)
    if plan is not None:
        return plan.begin()
    declared = _declared(service)
    client = client or service.client or (declared[0].client if declared else clients_settings().default_client)
    return Route(client, model or service.model or _model_of(client))


def clients_asked(service: type[Service]) -> list[str]:
    """The names of the clients that calls of this service may ask."""
    plan = plan_of(service)
    return list(dict.fromkeys(route.client for route in (plan.routes if plan else (route_of(service),))))


def any_routes() -> bool:
    """Whether any call can have several routes."""
    return clients_settings().ROUTES is not None or any(each.routes for each in services.all().values())


def routes_faults(service: type[Service]) -> list[str]:
    """What is wrong with the `routes` and `fallback_on` of a service class, one sentence each."""
    faults = []
    if service.routes is not None:
        faults += _faults("routes", _ROUTES, service.routes)
        if service.client or service.model:
            faults.append("routes name clients and models: leave out `client` and `model`.")
    if service.fallback_on is not None:
        faults += _faults("fallback_on", _CODES, service.fallback_on)
    return faults


def _faults(name: str, adapter: TypeAdapter[Any], value: Any) -> list[str]:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return [f"{name}: {explain(error)}."]
    return []


def _declared(service: type[Service]) -> tuple[RouteChoice, ...] | None:
    return None if service.routes is None else _ROUTES.validate_python(service.routes)


def _codes(service: type[Service]) -> frozenset[str]:
    return frozenset(_CODES.validate_python(service.fallback_on)) if service.fallback_on else frozenset()


def _model_of(client: str) -> str:
    known = clients_settings().clients.get(client)
    return known.model if known else ""
