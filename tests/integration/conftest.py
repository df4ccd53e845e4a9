"""What the tests with a real cluster share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestration.providers.simulator.server import SimulatedProviderServer


@pytest.fixture
def slow_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    """Thinks for a second and a half, so that calls are running when something is struck."""
    with SimulatedProviderServer(latency_ms=1500) as server:
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
        yield server
