"""The worker loop as it runs in a worker: its own loop, its own database thread, real time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.engine.execution import context
from orchestration.engine.queue.claim import claim
from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.engine.worker import loop
from orchestration.engine.worker.loop import LoopReport, run_worker_loop
from orchestration.engine.worker.rescuer import rescue
from orchestration.fault_injection import armed
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.base import ProviderRequest, ProviderResponse
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from tests.clusters import until
from tests.engineapp.orca.services.triage import FreeText
from tests.orchestration.factories import expired

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.timeout(60)]
QUICK = {
    "LEASE_SECONDS": 2,
    "RENEW_SECONDS": 0.3,
    "LINGER_SECONDS": 0.3,
    "WAKE_WINDOW_SECONDS": 0.1,
    "GRACE_SECONDS": 0.5,
}


@pytest.fixture(autouse=True)
def _quick(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, **QUICK}


@dataclass
class Background:
    """A worker loop in a thread of its own, like in a worker process."""

    stop: threading.Event = field(default_factory=threading.Event)
    reports: list[LoopReport] = field(default_factory=list)


@contextmanager
def running_loop() -> Iterator[Background]:
    background = Background()

    def work() -> None:
        try:
            background.reports.append(run_worker_loop(stopping=background.stop.is_set))
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield background
    finally:
        background.stop.set()
        thread.join(30)
        assert not thread.is_alive()


def submit(count: int = 1, **fields: object) -> list[ServiceCallRecord]:
    return submit_many([CallSpec(service=FreeText, context={"ticket": str(n)}, **fields) for n in range(count)])


def status_of(record: ServiceCallRecord) -> str:
    record.refresh_from_db()
    return record.status


def is_now(record: ServiceCallRecord, status: str) -> Callable[[], bool]:
    return lambda: status_of(record) == status


def test_calls_run_side_by_side():
    submit(30)
    with scripted(latency_ms=500) as simulation:
        assert run_worker_loop().claimed == 30
    assert ServiceCallRecord.objects.filter(status="succeeded").count() == 30
    requests = simulation.request_log.entries
    assert len(requests) == 30
    assert max(sum(one.time <= each.time < (one.ended or 0) for one in requests) for each in requests) > 3


def test_a_loop_ends_when_nothing_is_due():
    report = run_worker_loop()
    assert (report.claimed, report.work_left) == (0, False)


def test_a_loop_stays_for_a_retry_that_is_due_soon():
    (record,) = submit(max_attempts=2)
    with scripted(Fault(kind="rate_limit", retry_after=1)):
        run_worker_loop()
    assert status_of(record) == "succeeded"
    assert record.attempts == 2


def test_a_loop_out_of_budget_says_that_work_is_left(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "LOOP_BUDGET_SECONDS": 0.01, "CONCURRENCY": 1}
    submit(3)
    assert run_worker_loop().work_left is True


def test_a_long_call_keeps_its_lease():
    (record,) = submit()
    with scripted(latency_ms=3000), running_loop():
        until(is_now(record, "running"), "claimed")
        time.sleep(2.5)  # longer than a lease
        assert rescue().requeued == 0
        until(is_now(record, "succeeded"), "finished")
    assert (record.deaths, record.attempts) == (0, 1)


def test_a_running_call_is_cancelled_and_its_request_closed():
    (record,) = submit()
    with scripted(Fault(kind="hang")) as simulation, running_loop():
        until(lambda: AIRequestAudit.objects.exists() and bool(simulation.request_log.entries), "sent")
        record.refresh_from_db()
        record.cancel()
        until(is_now(record, "cancelled"), "cancelled")
    assert simulation.request_log.entries[0].outcome == "client_left"
    assert AIRequestAudit.objects.get().outcome == "unknown"
    assert (record.error_code, record.failures) == ("cancelled", 0)


def test_a_stop_finishes_short_calls_and_returns_long_ones():
    """Those that go back are not charged."""
    short, long = submit(2)
    faults = [Fault(kind="ok", contains="ticket: 0", latency_ms=400), Fault(kind="hang", contains="ticket: 1", times=1)]
    with scripted(*faults) as simulation, running_loop() as background:
        until(lambda: len(simulation.request_log.entries) == 2, "both sent")
        background.stop.set()
        until(is_now(long, "queued"), "given back")
    assert status_of(short) == "succeeded"
    assert (long.failures, long.deaths, long.attempts) == (0, 0, 1)
    assert AIRequestAudit.objects.get(call=long).outcome == "unknown"
    with scripted():
        run_worker_loop()
    assert status_of(long) == "succeeded"


def test_a_call_that_was_taken_away_is_dropped_without_a_trace():
    (record,) = submit()
    with scripted(latency_ms=1500), running_loop():
        until(lambda: AIRequestAudit.objects.exists(), "sent")
        ServiceCallRecord.objects.filter(pk=record.pk).update(
            lease_token=99, worker="somebody", lease_expires_at=timezone.now() + timedelta(seconds=60)
        )
        time.sleep(2)
    record.refresh_from_db()
    assert (record.status, record.lease_token, record.result) == ("running", 99, None)
    assert AIRequestAudit.objects.get().outcome == "pending"


def test_a_live_loop_rescues_what_another_worker_left_behind():
    left = expired(service_identity=str(FreeText.identity), worker="dead")
    (own,) = submit()
    with scripted(Fault(kind="ok", latency_ms=1500)), running_loop():
        until(is_now(left, "succeeded"), "rescued and run")
        until(is_now(own, "succeeded"), "finished")
    assert left.deaths == 1


def test_calls_of_a_loop_that_died_after_its_claim_are_rescued():
    (record,) = submit()

    class Died(BaseException):
        pass

    def die() -> None:
        raise Died

    with scripted(), armed("after_claim", die), pytest.raises(Died):
        run_worker_loop()
    assert status_of(record) == "running"
    ServiceCallRecord.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert rescue().requeued == 1
    with scripted():
        run_worker_loop()
    assert status_of(record) == "succeeded"
    assert (record.attempts, record.deaths) == (1, 1)


class Everybody:
    """A provider that answers nobody until so many requests wait at the same time."""

    name, client_name, surface = "simulator", "default", "responses"

    def __init__(self, expected: int) -> None:
        self._all_here = asyncio.Barrier(expected)

    async def send(self, request: ProviderRequest) -> ProviderResponse:
        await self._all_here.wait()
        return ProviderResponse(raw={}, text="It is mended.")

    async def aclose(self) -> None:
        pass


def test_a_thousand_calls_are_in_flight_at_once(settings, monkeypatch):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "CONCURRENCY": 1000, "LEASE_SECONDS": 60}
    everybody = Everybody(1000)
    monkeypatch.setattr(context, "open_provider", lambda _: everybody)
    submit(1000)
    assert run_worker_loop().claimed == 1000
    ended = ServiceCallRecord.objects.filter(status="succeeded", attempts=1, lease_token=1, deaths=0)
    assert ended.count() == AIRequestAudit.objects.count() == 1000


def test_calls_of_one_key_follow_without_a_claim_for_each(monkeypatch):
    claimed = []

    def noted(*args: object) -> list[ServiceCallRecord]:
        found = claim(*args)
        claimed.extend(found)
        return found

    monkeypatch.setattr(loop, "claim", noted)
    records = submit(40, ordering_key="chat:1")
    with scripted() as simulation, running_loop():
        until(lambda: ServiceCallRecord.objects.finished().count() == 40, "all ended")
        last = time.monotonic()
    times = [(each.time, each.ended or last) for each in simulation.request_log.entries]
    assert all(ended <= began for (_, ended), (began, _) in pairwise(times))
    ends = ServiceCallRecord.objects.order_by("finished_at").values_list("pk", "status", "lease_token", "deaths")
    assert list(ends) == [(record.pk, "succeeded", 1, 0) for record in records]
    assert len(claimed) < 20


def test_an_urgent_call_comes_before_the_next_of_a_key(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "CONCURRENCY": 1}
    first, second = submit(2, ordering_key="chat:1")
    with scripted(latency_ms=700), running_loop():
        until(is_now(first, "running"), "the first one runs")
        (urgent,) = submit(1, priority=9)
        until(is_now(second, "succeeded"), "all ended")
    first.refresh_from_db()
    urgent.refresh_from_db()
    assert first.finished_at <= urgent.started_at < second.started_at


def test_a_stop_ends_a_chain_of_calls():
    """What is left of the key stays in the queue, and no lease is held."""
    submit(500, ordering_key="chat:1")
    with scripted(), running_loop() as background:
        until(lambda: ServiceCallRecord.objects.finished().exists(), "the first ended")
        background.stop.set()
    states = set(ServiceCallRecord.objects.values_list("status", flat=True))
    assert states == {"succeeded", "queued"}
