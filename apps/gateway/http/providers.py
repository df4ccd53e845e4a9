"""The connections to providers that a serving process holds, and which of them a request for a model may ask."""

from __future__ import annotations

import asyncio

from apps.gateway.conf import GatewaySettings
from apps.gateway.errors import no_such_provider
from apps.gateway.models import Endpoint
from apps.gateway.routing.aliases import alias_plans
from apps.gateway.routing.targets import Target
from orchestration.components.routing import RoutePlan
from orchestration.conf import clients_settings
from orchestration.errors import NotConfigured, ProviderError
from orchestration.providers.base import Api
from orchestration.providers.passthrough import Passthrough, open_passthrough
from orchestration.providers.registry import client_settings, provider_class


class Providers:
    """For one event loop. Raises as `open_passthrough` for the clients of models without an alias, and NotConfigured
    for an alias that leads nowhere; a client of an alias that cannot be opened is a route that fails."""

    def __init__(self, wanted: GatewaySettings) -> None:
        self._wanted = wanted
        self._clients: dict[str, Passthrough] = {}
        self._closed: dict[str, NotConfigured | ProviderError] = {}
        self.plans = alias_plans()
        name = wanted.CLIENT or clients_settings().default_client
        self._names = {"main": name, "messages": wanted.MESSAGES_CLIENT or name}
        for each in self._names.values():
            self._open(each)
        self.main = self._clients[name]
        """Asked for everything that is not Anthropic's API, and has no alias."""
        for client in dict.fromkeys(route.client for plan in self.plans.values() for route in plan.routes):
            try:
                self._open(client)
            except (NotConfigured, ProviderError) as error:
                self._closed[client] = error

    def _open(self, client: str) -> None:
        if client not in self._clients:
            wanted = self._wanted
            self._clients[client] = open_passthrough(
                client, connections=wanted.CONNECTIONS, idle_seconds=wanted.IDLE_SECONDS
            )

    @property
    def of_models(self) -> list[Passthrough]:
        """Those whose models have no alias."""
        return [self._clients[client] for client in dict.fromkeys(self._names.values())]

    def client(self, name: str) -> Passthrough:
        """NotConfigured or ProviderError where it could not be opened."""
        if name in self._closed:
            raise self._closed[name]
        return self._clients[name]

    def name_of(self, endpoint: str) -> str:
        """The provider that models without an alias are asked of at this endpoint; empty where it does not speak the
        API."""
        client = self.client_of(endpoint)
        return self._clients[client].name if self._speaks(client, endpoint) else ""

    def targets(self, named: str, endpoint: str) -> tuple[Target, ...]:
        """What may be asked for a model or an alias, in this order; GatewayError 404 where nothing of that speaks the
        API of the endpoint."""
        plan = self.plans.get(named)
        if plan is not None:
            found = [target for target in self._targets_of(named, plan) if self._speaks(target.route.client, endpoint)]
        else:
            client = self.client_of(endpoint)
            is_spoken = self._speaks(client, endpoint)
            found = [Target.plain(named, client, self._clients[client].name)] if is_spoken else []
        if not found:
            raise no_such_provider()
        return tuple(found)

    def _targets_of(self, named: str, plan: RoutePlan) -> list[Target]:
        routes = dict.fromkeys((plan.begin(), *plan.routes))
        return [Target(named, route, self._provider_of(route.client), plan.on) for route in routes]

    def _provider_of(self, client: str) -> str:
        known = self._clients.get(client)
        return known.name if known is not None else _name_of_closed(client)

    def _speaks(self, client: str, endpoint: str) -> bool:
        """One that could not be opened counts as if it did, so that its failure is seen."""
        known = self._clients.get(client)
        return known is None or (Api.ANTHROPIC if endpoint == Endpoint.MESSAGES else Api.OPENAI) in known.apis

    def client_of(self, endpoint: str) -> str:
        """The client that models without an alias are asked of."""
        return self._names["messages" if endpoint == Endpoint.MESSAGES else "main"]

    async def aclose(self) -> None:
        await asyncio.gather(*(each.aclose() for each in self._clients.values()))


def _name_of_closed(client: str) -> str:
    try:
        return provider_class(client_settings(client)).name
    except NotConfigured:
        return ""
