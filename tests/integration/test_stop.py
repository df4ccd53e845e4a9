"""A graceful stop: what can end in time ends, the rest is given back, nothing stays `running`."""

from __future__ import annotations

import signal

import pytest

from orchestration.models import AIRequestAudit, ServiceCallRecord
from tests.clusters import running_cluster, until
from tests.integration.test_kills import CALLS, finished, submit_some

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(180),
]


def running() -> int:
    return ServiceCallRecord.objects.running().count()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_calls_may_end_within_the_grace(number, slow_provider, tmp_path):
    slow_provider.simulation.latency_ms = 3000
    with running_cluster(tmp_path, GRACE_SECONDS=15) as cluster:
        submit_some()
        until(lambda: running() >= CALLS - 2, "running calls")
        begun = set(ServiceCallRecord.objects.running().values_list("pk", flat=True))
        cluster.process.send_signal(number)
        assert cluster.process.wait(40) == 0
    states = dict(ServiceCallRecord.objects.values_list("pk", "status"))
    assert {states[pk] for pk in begun} == {"succeeded"}
    assert {state for pk, state in states.items() if pk not in begun} <= {"queued"}
    assert set(AIRequestAudit.objects.values_list("outcome", flat=True)) == {"answered"}


def test_what_does_not_end_in_time_is_given_back_uncharged(slow_provider, tmp_path):
    slow_provider.simulation.latency_ms = 60_000
    with running_cluster(tmp_path, GRACE_SECONDS=1) as cluster:
        records = submit_some()
        until(lambda: len(slow_provider.request_log()) >= CALLS - 2, "requests")
        assert cluster.stop() == 0
    sent = ServiceCallRecord.objects.filter(attempts__gt=0)
    assert set(sent.values_list("status", "attempts", "failures", "deaths", "error_code")) == {("queued", 1, 0, 0, "")}
    assert running() == 0
    assert set(AIRequestAudit.objects.values_list("outcome", flat=True)) == {"unknown"}
    assert {entry["outcome"] for entry in slow_provider.request_log()} == {"client_left"}

    slow_provider.simulation.latency_ms = 0
    with running_cluster(tmp_path) as again:
        until(lambda: finished(records), "every call finished", 60)
        assert again.stop() == 0
    assert set(ServiceCallRecord.objects.values_list("failures", "deaths")) == {(0, 0)}
