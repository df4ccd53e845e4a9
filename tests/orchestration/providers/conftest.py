"""Fixtures: the simulated provider over HTTP, and questions to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.providers.base import ProviderResponse
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.orchestration.providers.asking import Send, question, send_once


@pytest.fixture(scope="session")
def running_server() -> Iterator[SimulatedProviderServer]:
    with SimulatedProviderServer() as server:
        yield server


@pytest.fixture
def server(running_server: SimulatedProviderServer) -> SimulatedProviderServer:
    running_server.script([])
    running_server.simulation.latency_ms = 0
    running_server.simulation.request_log.entries.clear()
    return running_server


@pytest.fixture(params=["responses", "chat"])
def surface(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def send(server: SimulatedProviderServer, surface: str) -> Send:
    """Sends a question to the server with the real client, on the test's surface."""

    def send(**fields: Any) -> ProviderResponse:
        return asyncio.run(send_once(server.base_url, surface, question(**fields)))

    return send
