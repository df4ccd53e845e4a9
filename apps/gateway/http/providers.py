"""The connections to providers that a serving process holds: one for each API that the gateway's paths belong to."""

from __future__ import annotations

import asyncio

from apps.gateway.conf import GatewaySettings
from apps.gateway.errors import no_such_provider
from apps.gateway.models import Endpoint
from orchestration.conf import clients_settings
from orchestration.providers.base import Api
from orchestration.providers.passthrough import Passthrough, open_passthrough


class Providers:
    """For one event loop. Raises as `open_passthrough`."""

    def __init__(self, wanted: GatewaySettings) -> None:
        name = wanted.CLIENT or clients_settings().default_client
        self.main = self._opened(name, wanted)
        """Asked for everything that is not Anthropic's API."""
        for_messages = wanted.MESSAGES_CLIENT or name
        self._for_messages = self.main if for_messages == name else self._opened(for_messages, wanted)

    def _opened(self, client_name: str, wanted: GatewaySettings) -> Passthrough:
        return open_passthrough(client_name, connections=wanted.CONNECTIONS, idle_seconds=wanted.IDLE_SECONDS)

    @property
    def all(self) -> list[Passthrough]:
        return list(dict.fromkeys((self.main, self._for_messages)))

    def of(self, endpoint: str) -> Passthrough:
        """The one that is asked; GatewayError 404 where it does not speak the API of this endpoint."""
        is_anthropic = endpoint == Endpoint.MESSAGES
        found = self._for_messages if is_anthropic else self.main
        if (Api.ANTHROPIC if is_anthropic else Api.OPENAI) not in found.apis:
            raise no_such_provider()
        return found

    async def aclose(self) -> None:
        await asyncio.gather(*(each.aclose() for each in self.all))
