"""Calls of a real cluster at the default times, and what must hold of them whatever holds the cluster up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.clusters import STOP_SECONDS, RunningCluster

TRIAGE = "services.engineapp.default.Triage"
DEFAULTS = {"TICK_SECONDS": 10, "WEDGED_AFTER_SECONDS": 30, "GRACE_SECONDS": 20}


@contextmanager
def provider_of_clusters(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    """What clusters ask that start within the block; it takes 200 ms to answer."""
    with SimulatedProviderServer(latency_ms=200) as server:
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
        yield server


def submit(count: int, service: str = TRIAGE, **payload: object) -> list[ServiceCallRecord]:
    return submit_many([CallSpec(service=service, context={"ticket": str(n)}, input=payload) for n in range(count)])


def all_ended(count: int) -> bool:
    return ServiceCallRecord.objects.in_status("succeeded", "failed").count() == count


def nothing_was_lost(provider: SimulatedProviderServer, calls: int) -> None:
    """Every call succeeded with its first request, and the provider saw no other."""
    assert ServiceCallRecord.objects.in_status("succeeded").count() == calls
    assert set(ServiceCallRecord.objects.values_list("deaths", "attempts")) == {(0, 1)}
    assert not AIRequestAudit.objects.exclude(outcome="answered").exists()
    assert len(provider.simulation.request_log.entries) == calls


def stopped(cluster: RunningCluster, seconds: float = STOP_SECONDS) -> None:
    assert cluster.row.restarts == 0
    assert cluster.stop(seconds) == 0
