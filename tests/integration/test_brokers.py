"""A broker that loses every message, a database that goes away: both cost time and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest

from orchestration.engine.worker.process_group import ON_LINUX
from orchestration.models import ServiceCallRecord
from tests.clusters import running_cluster, until
from tests.integration.test_kills import CALLS, finished, submit_some
from tests.outages import database_refused, lose_every_message, use_broker

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not ON_LINUX, reason="looks at processes through /proc"),
]
OUTAGE_SECONDS = 13.0
"""Longer than a lease."""


@pytest.mark.parametrize("broker", ["orm", "redis"])
def test_a_broker_that_loses_every_message_costs_only_delay(broker, slow_provider, tmp_path, monkeypatch):
    use_broker(broker, monkeypatch)
    slow_provider.simulation.latency_ms = 0
    with running_cluster(tmp_path, WEDGED_AFTER_SECONDS=30) as cluster:
        pusher = cluster.workers_monitor_pusher[-1]
        os.kill(pusher, signal.SIGSTOP)  # so that no message is taken before it is lost
        records = submit_some()
        lose_every_message(broker)
        os.kill(pusher, signal.SIGCONT)
        until(lambda: finished(records), "every call finished", 30)
        assert cluster.stop() == 0
    assert set(ServiceCallRecord.objects.values_list("attempts", "deaths")) == {(1, 0)}


@pytest.mark.postgres_only
def test_a_database_that_goes_away_costs_only_delay(slow_provider, tmp_path):
    """For longer than a lease, while calls run: their workers live, so nobody presumes them dead."""
    slow_provider.simulation.latency_ms = 4000
    with running_cluster(tmp_path, TICK_SECONDS=10, WEDGED_AFTER_SECONDS=30) as cluster:
        records = submit_some()
        until(lambda: len(slow_provider.request_log()) >= CALLS - 2, "requests")
        with database_refused():
            time.sleep(OUTAGE_SECONDS)
        until(lambda: finished(records), "every call finished", 60)
        cluster.wait_until_it_works()
        assert cluster.row.restarts == 0
        assert cluster.stop() == 0
    assert set(ServiceCallRecord.objects.values_list("attempts", "failures", "deaths")) == {(1, 0, 0)}
    asked = Counter(entry["correlation"] for entry in slow_provider.request_log())
    assert set(asked.values()) == {1}
    assert len(asked) == CALLS
