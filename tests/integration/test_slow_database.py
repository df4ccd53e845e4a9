"""A database that answers late costs a living worker no call and no second payment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.clusters import STOP_SECONDS, RunningCluster, until
from tests.paid_once import DEFAULTS, all_ended, nothing_was_lost, provider_of_clusters, stopped, submit
from tests.slow_database import answering_late

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.postgres_only,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    with provider_of_clusters(monkeypatch) as server:
        yield server


def test_a_database_that_answers_in_2_seconds_costs_no_call(provider, tmp_path, monkeypatch):
    there = connection.settings_dict
    with answering_late(there["HOST"] or "127.0.0.1", int(there["PORT"] or 5432), 2.0) as port:
        with monkeypatch.context() as late:
            late.setitem(there, "PORT", port)
            late.delenv("ORCA_TEST_POSTGRES")  # else the cluster looks, without patience, whether the server answers
            cluster = RunningCluster("slow", tmp_path / "run", tmp_path / "slow.log", **DEFAULTS)
        try:
            submit(12)
            until(lambda: all_ended(12), "every call ended", 600)
            stopped(cluster, 4 * STOP_SECONDS)
        finally:
            if cluster.process.poll() is None:
                cluster.process.kill()
                cluster.process.wait()
    nothing_was_lost(provider, 12)
    assert "cluster restarts" not in (tmp_path / "slow.log").read_text()
