"""SIGKILL of every process of a cluster, on each broker: every call ends, no process is left, nobody intervenes."""

from __future__ import annotations

import os
import signal

import pytest

from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.engine.worker.process_group import ON_LINUX, is_alive
from orchestration.models import AIRequestAudit, ServiceCallRecord
from tests.clusters import RunningCluster, running_cluster, until
from tests.outages import use_broker

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(240),
    pytest.mark.skipif(not ON_LINUX, reason="looks at processes through /proc"),
]
SERVICE = "services.engineapp.default.Triage"
CALLS = 8
HEALED_SECONDS = 60.0
SHORT_LEASES = {"LEASE_SECONDS": 3, "RENEW_SECONDS": 1}
DEFAULTS = {"TICK_SECONDS": 10, "WEDGED_AFTER_SECONDS": 30, "GRACE_SECONDS": 20}
"""Over the fast settings of tests.clusters; leases are not among those."""
RECOVERY_SECONDS = 15.0
OFTEN = ("busy worker",)
"""What is killed in the suite on the database's broker; all the others by `make test-long`."""
SELDOM = ("whole group", "idle worker", "monitor", "pusher", "sentinel", "main process")


def submit_some() -> list[ServiceCallRecord]:
    """Calls, some of them in order."""
    specs = [
        CallSpec(service=SERVICE, context={"ticket": str(number)}, ordering_key="order" if number % 4 == 0 else "")
        for number in range(CALLS)
    ]
    return submit_many(specs)


def finished(records: list[ServiceCallRecord]) -> bool:
    done = ServiceCallRecord.objects.in_status("succeeded").in_persist_state("skipped", "persisted")
    return done.filter(pk__in=[record.pk for record in records]).count() == len(records)


def pid_of(victim: str, cluster: RunningCluster) -> int:
    """The victim among the processes of a cluster that none was replaced in yet: started in this order."""
    if victim == "whole group":
        return cluster.process.pid
    if victim == "main process":
        return cluster.main
    if victim == "sentinel":
        return cluster.sentinel
    *workers, monitor, pusher = cluster.workers_monitor_pusher
    if victim == "busy worker":
        return int(ServiceCallRecord.objects.running().values_list("worker", flat=True)[0].split(":")[1])
    if victim == "idle worker":
        idle: list[int] = []
        until(lambda: bool(idle.extend(filter(reads_a_pipe, workers)) or idle), "a worker that waits for a task")
        return idle[0]
    return {"monitor": monitor, "pusher": pusher}[victim]


def reads_a_pipe(pid: int) -> bool:
    """The idle worker that holds the queue's lock reads; the others wait for the lock."""
    with open(f"/proc/{pid}/syscall") as status:
        return status.read().split()[0] == "0"


def kill_and_heal(victim: str, tmp_path, **engine) -> None:
    with running_cluster(tmp_path, **engine) as cluster:
        everything = {cluster.process.pid} | cluster.processes()
        records = submit_some()
        until(lambda: ServiceCallRecord.objects.running().count() >= CALLS - 2, "running calls")
        os.kill(pid_of(victim, cluster), signal.SIGKILL)
        if victim != "whole group":
            until(lambda: finished(records), f"every call finished after the end of the {victim}", HEALED_SECONDS)
            cluster.wait_until_it_works()
            everything |= cluster.processes()
            assert cluster.stop() == 0
        cluster.process.wait(10)
        until(lambda: not any(is_alive(pid) for pid in everything), "the end of every process")
    if victim == "whole group":
        with running_cluster(tmp_path, **engine) as again:  # by hand, as an operator would
            until(lambda: finished(records), "every call finished", HEALED_SECONDS)
            assert again.stop() == 0
    assert not ServiceCallRecord.objects.running().exists()
    assert not AIRequestAudit.objects.pending().exists()
    assert sum(ServiceCallRecord.objects.values_list("failures", flat=True)) == 0


@pytest.mark.postgres
@pytest.mark.parametrize("victim", [*OFTEN, *(pytest.param(victim, marks=pytest.mark.long) for victim in SELDOM)])
def test_on_the_database_broker_a_cluster_recovers_from_loss_of(victim, slow_provider, tmp_path):
    kill_and_heal(victim, tmp_path, **SHORT_LEASES)


@pytest.mark.long
@pytest.mark.parametrize("victim", [*OFTEN, *SELDOM])
def test_a_cluster_on_redis_heals_after_the_end_of_its(victim, slow_provider, tmp_path, monkeypatch):
    use_broker("redis", monkeypatch)
    kill_and_heal(victim, tmp_path, **SHORT_LEASES)


@pytest.mark.postgres
@pytest.mark.long
def test_a_killed_workers_calls_run_again_within_fifteen_seconds(slow_provider, tmp_path, monkeypatch):
    """Two workers have one worker loop between them: when it dies, only the supervisor can rescue its call."""
    monkeypatch.setenv("Q_WORKERS", "2")
    slow_provider.simulation.latency_ms = 8000
    with running_cluster(tmp_path, **DEFAULTS) as cluster:
        records = submit_some()
        until(lambda: ServiceCallRecord.objects.running().count() >= CALLS - 2, "running calls")
        held = dict(ServiceCallRecord.objects.running().values_list("pk", "lease_token"))
        os.kill(pid_of("busy worker", cluster), signal.SIGKILL)

        def claimed_again() -> bool:
            now = dict(ServiceCallRecord.objects.filter(pk__in=held).values_list("pk", "lease_token"))
            return all(now[pk] > token for pk, token in held.items())

        until(claimed_again, "every call claimed again", RECOVERY_SECONDS)
        slow_provider.simulation.latency_ms = 0
        until(lambda: finished(records), "every call finished", HEALED_SECONDS)
        assert cluster.stop() == 0
    assert set(ServiceCallRecord.objects.filter(pk__in=held).values_list("deaths", flat=True)) == {1}
