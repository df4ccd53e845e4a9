"""The embedded provider: needs no key and no network, answers what the schema asks for, and says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import httpx2

from orchestration.conf import ClientSettings
from orchestration.providers.base import ProviderRequest, ProviderResponse
from orchestration.providers.faults import Fault, Script
from orchestration.providers.ledger import Entry
from orchestration.providers.openai import OpenAIProvider
from orchestration.providers.simulation import Outgoing, Simulation
from orchestration.types import JsonObject

logger = logging.getLogger(__name__)

BASE_URL = "http://localhost/v1"
NO_KEY = "simulators-need-no-key"

_simulations = [Simulation()]
_context: ContextVar[JsonObject | None] = ContextVar("simulated_call_context", default=None)


class SimulatorProvider(OpenAIProvider):
    """The OpenAI provider over a transport that asks a Simulation instead of a network.

    Everything else (request, errors, reading of answers) is the real code. Without a simulation of its own it
    follows the process's one, which `scripted` replaces.
    """

    name = "simulator"

    def __init__(self, client_name: str, client: ClientSettings, *, simulation: Simulation | None = None) -> None:
        say_it_is_simulated()
        super().__init__(
            client_name,
            client.model_copy(update={"base_url": BASE_URL}),
            api_key=NO_KEY,
            http_client=httpx2.AsyncClient(transport=_Transport(simulation), trust_env=False),
        )

    async def send(self, request: ProviderRequest) -> ProviderResponse:
        """As OpenAIProvider.send; the call's context flows into the answer."""
        token = _context.set(request.context)
        try:
            return await super().send(request)
        finally:
            _context.reset(token)


@contextmanager
def scripted(*faults: Fault, seed: int = 0, latency_ms: int = 0) -> Iterator[Simulation]:
    """For tests: within the block, simulated providers of this process follow these faults.

    Yields the Simulation, whose `ledger.entries` are the requests of the block.
    """
    simulation = Simulation(script=Script(faults, seed=seed), latency_ms=latency_ms)
    _simulations.append(simulation)
    try:
        yield simulation
    finally:
        _simulations.remove(simulation)


def current_simulation() -> Simulation:
    """What simulated providers without a simulation of their own follow."""
    return _simulations[-1]


class _Transport(httpx2.AsyncBaseTransport):
    def __init__(self, simulation: Simulation | None) -> None:
        self._simulation = simulation

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        simulation = self._simulation or current_simulation()
        entry, outgoing = simulation.answer(
            request.url.path.removeprefix("/v1"),
            request.content,
            correlation=request.headers.get("x-client-request-id", ""),
            context=_context.get(),
        )
        try:
            return await self._delivered(simulation, entry, outgoing)
        finally:
            simulation.ledger.ended(entry, "client_left")  # cancelled; any other ending was entered before

    async def _delivered(self, simulation: Simulation, entry: Entry, outgoing: Outgoing) -> httpx2.Response:
        await asyncio.sleep(outgoing.latency)
        if outgoing.delivery in {"hang", "trickle"}:
            await asyncio.Event().wait()
        if outgoing.delivery in {"reset", "cut"}:
            simulation.ledger.ended(entry, "broken_off")
            raise httpx2.ReadError("The simulated connection was closed.")
        simulation.ledger.ended(entry, "answered")
        headers = {"content-type": outgoing.content_type} | outgoing.headers
        return httpx2.Response(outgoing.status, headers=headers, content=outgoing.body)


@lru_cache(maxsize=1)
def say_it_is_simulated() -> None:
    """One warning per process."""
    logger.warning("provider_simulated answers=simulated hint=set_a_provider_key_for_a_real_model")
