"""A worker that lives keeps its calls: no death is counted and nothing is paid twice, whatever holds it up.

Each with a real cluster at the default times, and the provider's own request log.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.clusters import running_cluster, until
from tests.paid_once import DEFAULTS, all_ended, nothing_was_lost, provider_of_clusters, stopped, submit

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
]
BURNS = "services.engineapp.default.Burns"
LOAD = 20


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    with provider_of_clusters(monkeypatch) as server:
        yield server


@pytest.mark.postgres
@pytest.mark.parametrize("receiver", ["sleeps", "blocks", "raises", "opens a transaction", "leaves a block"])
def test_receivers_cost_no_call(receiver, provider, tmp_path, monkeypatch):
    monkeypatch.setenv("ORCA_TEST_RECEIVER", receiver)
    with running_cluster(tmp_path, **DEFAULTS) as cluster:
        submit(120)
        until(lambda: all_ended(120), f"every call ended beside a receiver that {receiver}", 180)
        stopped(cluster)
    nothing_was_lost(provider, 120)


@pytest.mark.postgres_only
def test_a_receiver_that_holds_the_row_of_its_call_costs_none(provider, tmp_path, monkeypatch):
    """SQLite has one lock for all rows: there everybody waits for it."""
    monkeypatch.setenv("ORCA_TEST_RECEIVER", "holds its call")
    with running_cluster(tmp_path, **DEFAULTS) as cluster:
        submit(120)
        until(lambda: all_ended(120), "every call ended", 180)
        stopped(cluster)
    nothing_was_lost(provider, 120)


@pytest.mark.postgres
def test_a_worker_stopped_longer_than_a_lease_keeps_its_calls(provider, tmp_path):
    with running_cluster(tmp_path, **DEFAULTS) as cluster:
        provider.simulation.latency_ms = 3000
        submit(40)
        until(lambda: len(provider.simulation.request_log.entries) == 40, "the provider has every request")
        running = ServiceCallRecord.objects.running()
        workers = {int(worker.split(":")[1]) for worker in running.values_list("worker", flat=True)}
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            late = "leases renewed for workers that are late"
            until(lambda: late in cluster.log.read_text(), "others renewed the leases of the stopped", 60)
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        until(lambda: all_ended(40), "every call ended", 180)
        stopped(cluster)
    nothing_was_lost(provider, 40)


@pytest.mark.parametrize("interpreter", [False, True], ids=["loop", "interpreter"])
def test_a_worker_blocked_for_15_seconds_keeps_its_calls(interpreter, provider, tmp_path):
    with running_cluster(tmp_path, **DEFAULTS) as cluster:
        provider.simulation.latency_ms = 3000
        submit(20)
        submit(2, BURNS, seconds=15, interpreter=interpreter)
        submit(20)
        until(lambda: all_ended(42), "every call ended", 180)
        stopped(cluster)
    nothing_was_lost(provider, 42)


@contextmanager
def busy_machine() -> Iterator[None]:
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(LOAD)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.postgres
def test_a_machine_at_load_20_costs_no_call(provider, tmp_path: Path):
    with running_cluster(tmp_path, **DEFAULTS) as cluster, busy_machine():
        submit(200)
        until(lambda: all_ended(200), "every call ended", 600)
        assert cluster.row.restarts == 0  # how long it takes to stop at such a load is not looked at
    nothing_was_lost(provider, 200)
