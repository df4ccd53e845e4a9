"""A death at every named place, and what is true afterwards: one message, one chunk, every request accounted for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from orchestration.engine.queue import transport
from orchestration.engine.queue.enqueue import CallSpec, submit, submit_many
from orchestration.engine.worker.rescuer import rescue, sweep
from orchestration.fault_injection import ENVIRONMENT, FAULT_POINTS, InjectedFault, arm_from_environment, armed
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.providers.simulator.server import SimulatedProviderServer
from orchestration.testing import drain
from persistence.models import PersistedChunk
from tests.clusters import running_cluster, until
from tests.orchestration.factories import failed
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer

pytestmark = pytest.mark.postgres
GOOD = Fault(kind="json", data={"answer": "We are on it.", "urgent": False}, times=0)

IN_A_WORKER = {
    "after_claim": [],
    "before_send": ["unknown"],
    "in_flight": ["unknown"],
    "after_answer": ["unknown"],
    "after_store": [],
    "in_repair": ["unknown"],
    "before_drain": [],
    "after_chunk": [],
    "before_link": [],
    "before_finalize": [],
}
"""Where a worker can die, and the outcomes of the requests that are lost with it."""
ELSEWHERE = {"after_submit", "after_commit", "in_retry", "in_stop", "in_prune", "in_tool", "after_tool"}
"""Each has a test of its own: below, in test_loop.py (`in_stop`), with the retention command (`in_prune`) and in
test_tool_turns.py."""


class Died(BaseException):
    """Like a kill: no code of ours may catch it."""


def die() -> None:
    raise Died


def test_every_fault_point_has_a_test():
    assert set(IN_A_WORKER) | ELSEWHERE == set(FAULT_POINTS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", IN_A_WORKER)
def test_a_worker_that_dies_there_costs_time_and_nothing_else(point):
    record = submit(CallSpec(service=GenerateTicketAnswer, context={"ticket": "1"}))
    script = [Fault(kind="not_json"), GOOD] if point == "in_repair" else [GOOD]
    with scripted(*script) as before, armed(point, die):
        _run_and_die()
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()
    ServiceCallRecord.objects.running().update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    rescue()
    with scripted(GOOD) as after:
        drain()
    record.refresh_from_db()
    assert (record.status, record.domain_persist_state, record.failures) == ("succeeded", "persisted", 0)
    assert (Message.objects.count(), PersistedChunk.objects.count()) == (1, 1)
    outcomes = list(AIRequestAudit.objects.exclude(outcome="answered").values_list("outcome", flat=True))
    assert outcomes == IN_A_WORKER[point]
    seen = {entry.correlation for simulation in (before, after) for entry in simulation.request_log.entries}
    audited = {f"{request.call_id}:{request.attempt}:{request.repair}" for request in AIRequestAudit.objects.all()}
    assert seen <= audited  # what the provider saw, we know of


def _run_and_die() -> None:
    """In the event loop a death ends the one call's task; in the drain it ends the run."""
    try:
        drain()
    except Died:
        return


@pytest.mark.django_db(transaction=True)
def test_a_death_between_submit_and_commit_leaves_nothing():
    with armed("after_submit"), pytest.raises(InjectedFault), transaction.atomic():
        submit(CallSpec(service=GenerateTicketAnswer, context={"ticket": "1"}))
    assert not ServiceCallRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_death_between_commit_and_wake_is_mended_by_the_sweep():
    transport._last_wake.clear()
    with armed("after_commit", die), pytest.raises(Died):
        submit(CallSpec(service=GenerateTicketAnswer, context={"ticket": "1"}))
    assert ServiceCallRecord.objects.due().count() == 1
    assert not transport._last_wake
    sweep()
    assert transport._last_wake
    with scripted(GOOD):
        drain()
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_death_during_a_retry_leaves_the_call_failed_or_queued():
    record = failed()
    with armed("in_retry"), pytest.raises(InjectedFault), transaction.atomic():
        record.retry()
    assert ServiceCallRecord.objects.get().status == "failed"
    with armed("in_retry", die), pytest.raises(Died):
        ServiceCallRecord.objects.get().retry()
    assert ServiceCallRecord.objects.get().status == "queued"


def test_an_unknown_fault_point_is_refused_by_name(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="after_lunch"), armed("after_lunch"):
        pass
    monkeypatch.setenv(ENVIRONMENT, "after_lunch")
    with pytest.raises(ValueError, match="they are after_submit"):
        arm_from_environment(tmp_path)


@pytest.mark.long
@pytest.mark.cluster
@pytest.mark.timeout(240)
@pytest.mark.django_db(transaction=True)
def test_a_cluster_killed_at_any_fault_point_finishes_all_calls(tmp_path: Path, monkeypatch):
    """SIGKILL at ten places, one after the other, in the processes of a running cluster."""
    monkeypatch.setenv(ENVIRONMENT, ",".join(IN_A_WORKER))
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
    quick = {"FAULT_POINTS": True, "LEASE_SECONDS": 2, "RENEW_SECONDS": 0.5, "MAX_DEATHS": 50}
    with SimulatedProviderServer() as provider:
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", provider.base_url)
        provider.script(
            [replace(GOOD, contains="does not match"), Fault(kind="not_json", times=0)]
        )  # all need a repair
        with running_cluster(tmp_path, **quick) as cluster:
            submit_many([CallSpec(service=GenerateTicketAnswer, context={"ticket": str(n)}) for n in range(12)])
            until(lambda: ServiceCallRecord.objects.filter(domain_persisted=True).count() == 12, "all persisted", 180)
            assert cluster.stop() == 0
        requests = {f"{audit.call_id}:{audit.attempt}:{audit.repair}" for audit in AIRequestAudit.objects.all()}
        assert {entry["correlation"] for entry in provider.request_log()} <= requests
    struck = {path.name.removeprefix("fault-") for path in (tmp_path / "run").glob("fault-*")}
    assert struck == set(IN_A_WORKER)
    assert (Message.objects.count(), PersistedChunk.objects.count()) == (12, 12)
    assert not AIRequestAudit.objects.pending().exists()
