"""The embedded provider: needs no key and no network, answers what the schema asks for, and says so."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache

from orchestration.conf import ClientSettings, engine_settings
from orchestration.providers.anthropic.provider import VERSION
from orchestration.providers.anthropic.wire import MESSAGES
from orchestration.providers.base import ProviderRequest, ProviderResponse
from orchestration.providers.capabilities import Capability
from orchestration.providers.gemini.wire import GENERATE_CONTENT
from orchestration.providers.http.contract import HttpReply
from orchestration.providers.http.provider import HttpProvider
from orchestration.providers.openai.provider import PATHS
from orchestration.providers.openai.wire import CHAT, RESPONSES
from orchestration.providers.simulator.faults import Fault, Script
from orchestration.providers.simulator.model import Outgoing, Simulation
from orchestration.providers.simulator.request_log import Entry
from orchestration.providers.simulator.responder import responders
from orchestration.providers.streams.reading import StreamReading
from orchestration.types import JsonObject

logger = logging.getLogger(__name__)

_simulations = [Simulation()]
_context: ContextVar[JsonObject | None] = ContextVar("simulated_call_context", default=None)


class SimulatorProvider(HttpProvider):
    """Every built-in wire format over a transport that asks a Simulation instead of a network.

    Everything else (request, errors, reading of answers) is the real code. Without a simulation of its own it
    follows the process's one, which `scripted` replaces.
    """

    name = "simulator"
    wires = {"responses": RESPONSES, "chat": CHAT, "messages": MESSAGES, "generateContent": GENERATE_CONTENT}
    capabilities = frozenset(Capability)
    default_url = ""
    key_required = False

    def __init__(self, client_name: str, client: ClientSettings, *, simulation: Simulation | None = None) -> None:
        say_it_is_simulated()
        responders()  # NotConfigured now, not at the first answer
        super().__init__(client_name, client, transport=_Transport(simulation))

    def path(self, request: ProviderRequest) -> str:
        return {**PATHS, "messages": "/messages"}.get(self.surface, f"/models/{request.model}:generateContent")

    def stream_path(self, request: ProviderRequest) -> str:
        return self.path(request).replace(":generateContent", ":streamGenerateContent?alt=sse")

    def extra_headers(self) -> dict[str, str]:
        return {"anthropic-version": VERSION}

    async def exchange(self, request: ProviderRequest, reading: StreamReading | None) -> ProviderResponse:
        """As HttpProvider.exchange; the call's context flows into the answer."""
        token = _context.set(request.context)
        try:
            return await super().exchange(request, reading)
        finally:
            _context.reset(token)


@contextmanager
def scripted(*faults: Fault, seed: int = 0, latency_ms: int = 0, pace_ms: int = 0) -> Iterator[Simulation]:
    """For tests: within the block, simulated providers of this process follow these faults.

    Yields the Simulation, whose `request_log.entries` are the requests of the block.
    """
    simulation = Simulation(script=Script(faults, seed=seed), latency_ms=latency_ms, pace_ms=pace_ms)
    _simulations.append(simulation)
    try:
        yield simulation
    finally:
        _simulations.remove(simulation)


def current_simulation() -> Simulation:
    """What simulated providers without a simulation of their own follow."""
    return _simulations[-1]


class _Transport:
    def __init__(self, simulation: Simulation | None) -> None:
        self._simulation = simulation

    async def post(
        self, path: str, body: bytes, headers: dict[str, str], timeout: float, received: list[bytes]
    ) -> HttpReply:
        simulation = self._simulation or current_simulation()
        entry, outgoing = simulation.answer(
            path,
            body,
            correlation=headers.get("X-Client-Request-Id", ""),
            context=_context.get(),
            headers=[name.lower() for name in headers],
        )
        if simulation is _simulations[0]:
            outgoing = replace(outgoing, pace=engine_settings().SIMULATOR_PACE_MS / 1000)
        try:
            return await self._delivered(simulation, entry, outgoing, received)
        finally:
            simulation.request_log.ended(entry, "client_left")  # cancelled; any other ending was entered before

    async def _delivered(
        self, simulation: Simulation, entry: Entry, outgoing: Outgoing, received: list[bytes]
    ) -> HttpReply:
        await simulation.pass_time(entry, outgoing)
        if outgoing.events is not None:
            async for event in simulation.pieces(entry, outgoing):
                received.append(event)
        simulation.request_log.ended(entry, "answered")
        headers = [(name.encode(), value.encode()) for name, value in outgoing.headers.items()]
        body = outgoing.body if outgoing.events is None else b"".join(received)
        return HttpReply(outgoing.status, headers, body, time.perf_counter())

    async def aclose(self) -> None:
        """There are no connections."""


@lru_cache(maxsize=1)
def say_it_is_simulated() -> None:
    """One warning per process."""
    logger.warning("provider_simulated answers=simulated hint=set_a_provider_key_for_a_real_model")
