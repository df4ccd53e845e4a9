"""The pump as it runs in a worker: its own loop, its own database thread, real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.engine.faultpoints import armed
from orchestration.engine.pump import PumpReport, run_pump
from orchestration.engine.rescue import rescue
from orchestration.engine.submit import CallSpec, submit_many
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.faults import Fault
from orchestration.providers.simulator import scripted
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
    """A pump in a thread of its own, like in a worker process."""

    stop: threading.Event = field(default_factory=threading.Event)
    reports: list[PumpReport] = field(default_factory=list)


@contextmanager
def running_pump() -> Iterator[Background]:
    background = Background()

    def work() -> None:
        try:
            background.reports.append(run_pump(stopping=background.stop.is_set))
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
    started = time.monotonic()
    with scripted(latency_ms=500) as simulation:
        assert run_pump().claimed == 30
    assert ServiceCallRecord.objects.filter(status="succeeded").count() == 30
    assert len(simulation.ledger.entries) == 30
    assert time.monotonic() - started < 30 * 0.5 / 3  # a third of one after the other, on a machine that is busy


def test_a_pump_ends_when_nothing_is_due():
    report = run_pump()
    assert (report.claimed, report.work_left) == (0, False)


def test_a_pump_stays_for_a_retry_that_is_due_soon():
    (record,) = submit(max_attempts=2)
    with scripted(Fault(kind="rate_limit", retry_after=1)):
        run_pump()
    assert status_of(record) == "succeeded"
    assert record.attempts == 2


def test_a_pump_out_of_budget_says_that_somebody_should_go_on(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "PUMP_BUDGET_SECONDS": 0.01, "CONCURRENCY": 1}
    submit(3)
    assert run_pump().work_left is True


def test_a_long_call_keeps_its_lease():
    (record,) = submit()
    with scripted(latency_ms=3000), running_pump():
        until(is_now(record, "running"), "claimed")
        time.sleep(2.5)  # longer than a lease
        assert rescue().requeued == 0
        until(is_now(record, "succeeded"), "finished")
    assert (record.deaths, record.attempts) == (0, 1)


def test_a_running_call_is_cancelled_and_its_request_closed():
    (record,) = submit()
    with scripted(Fault(kind="hang")) as simulation, running_pump():
        until(lambda: AIRequestAudit.objects.exists() and bool(simulation.ledger.entries), "sent")
        record.refresh_from_db()
        record.cancel()
        until(is_now(record, "cancelled"), "cancelled")
    assert simulation.ledger.entries[0].outcome == "client_left"
    assert AIRequestAudit.objects.get().outcome == "unknown"
    assert (record.error_code, record.failures) == ("cancelled", 0)


def test_a_stop_lets_short_calls_finish_and_gives_long_ones_back_uncharged():
    short, long = submit(2)
    faults = [Fault(kind="ok", contains="ticket: 0", latency_ms=400), Fault(kind="hang", contains="ticket: 1", times=1)]
    with scripted(*faults) as simulation, running_pump() as background:
        until(lambda: len(simulation.ledger.entries) == 2, "both sent")
        background.stop.set()
        until(is_now(long, "queued"), "given back")
    assert status_of(short) == "succeeded"
    assert (long.failures, long.deaths, long.attempts) == (0, 0, 1)
    assert AIRequestAudit.objects.get(call=long).outcome == "unknown"
    with scripted():
        run_pump()
    assert status_of(long) == "succeeded"


def test_a_call_that_was_taken_away_is_dropped_without_a_trace():
    (record,) = submit()
    with scripted(latency_ms=1500), running_pump():
        until(lambda: AIRequestAudit.objects.exists(), "sent")
        ServiceCallRecord.objects.filter(pk=record.pk).update(
            lease_token=99, worker="somebody", lease_expires_at=timezone.now() + timedelta(seconds=60)
        )
        time.sleep(2)
    record.refresh_from_db()
    assert (record.status, record.lease_token, record.result) == ("running", 99, None)
    assert AIRequestAudit.objects.get().outcome == "pending"


def test_a_live_pump_rescues_what_another_worker_left_behind():
    left = expired(service_identity=str(FreeText.identity), worker="dead")
    (own,) = submit()
    with scripted(Fault(kind="ok", latency_ms=1500)), running_pump():
        until(is_now(left, "succeeded"), "rescued and run")
        until(is_now(own, "succeeded"), "finished")
    assert left.deaths == 1


def test_a_pump_that_dies_after_its_claim_leaves_calls_that_are_rescued():
    (record,) = submit()

    class Died(BaseException):
        pass

    def die() -> None:
        raise Died

    with scripted(), armed("after_claim", die), pytest.raises(Died):
        run_pump()
    assert status_of(record) == "running"
    ServiceCallRecord.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert rescue().requeued == 1
    with scripted():
        run_pump()
    assert status_of(record) == "succeeded"
    assert (record.attempts, record.deaths) == (1, 1)
