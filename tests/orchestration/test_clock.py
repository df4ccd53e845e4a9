"""Machines whose clocks differ: the database's counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from django.test import Client

from apps.accounts.throttle import Window
from orchestration import clock
from orchestration.clock import Reading, clock_offset, database_now
from orchestration.engine.leases.process_lock import WorkerLock
from orchestration.engine.queue.claim import claim, renew
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.throttling.token_bucket import MINUTE, counted_from, seconds_gone
from orchestration.engine.worker.heartbeat import Heartbeat
from orchestration.engine.worker.rescuer import rescue
from orchestration.models import RateLimit, ServiceCallRecord, WorkerNode
from orchestration.models.states import Status
from tests.clocks import database_clock, machine_clock
from tests.engineapp.orca.services.triage import FreeText
from tests.orchestration.factories import queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ROUTE = {"client": "default", "model_requested": "gpt-4o-mini"}
several_machines = pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite has one machine, whose clock it is"
)


@pytest.fixture(autouse=True)
def _as_in_a_process_that_works() -> None:
    clock._last = None
    connection.ensure_connection()


def one_call() -> ServiceCallRecord:
    return submit(CallSpec(service=FreeText, context={"ticket": "It is broken."}))


@several_machines
@pytest.mark.parametrize("ahead", [HOUR, -HOUR, DAY, -DAY])
def test_the_clock_of_a_machine_is_not_asked(ahead: timedelta) -> None:
    right = database_now()
    with machine_clock(ahead):
        clock._last = None
        assert abs(database_now() - right) < timedelta(seconds=30)
        assert clock_offset() == pytest.approx(ahead.total_seconds(), abs=30)


@several_machines
def test_a_machine_that_is_ahead_takes_no_call_away() -> None:
    one_call()
    claim(1, "w1")
    with machine_clock(DAY):
        assert rescue().requeued == 0
        renew("w1", ServiceCallRecord.objects.values_list("pk", flat=True))
    assert not ServiceCallRecord.objects.filter(lease_expires_at__gt=database_now() + HOUR).exists()


@several_machines
def test_a_machine_that_is_behind_claims_what_is_due() -> None:
    with machine_clock(DAY):
        one_call()
    with machine_clock(-DAY):
        (taken,) = claim(1, "w1")
    assert abs(taken.started_at - database_now()) < timedelta(seconds=30)


def test_reading_the_clock_needs_no_query(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert database_now().tzinfo is not None


def test_a_reading_is_kept_and_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    start, ticks, asked = datetime(2026, 1, 1, tzinfo=UTC), [100.0], []

    def read() -> Reading:
        asked.append(ticks[0])
        return Reading(start + timedelta(seconds=ticks[0] - 100), ticks[0])

    monkeypatch.setattr(clock, "_tick", lambda: ticks[0])
    monkeypatch.setattr(clock, "read_database", read)
    monkeypatch.setattr(clock, "_is_shared", lambda: True)
    for second in (0, 1, 9.5, 10, 15, 30, 29):
        ticks[0] = 100.0 + second
        assert database_now() == start + timedelta(seconds=second)
    assert asked == [100.0, 110.0, 130.0, 129.0]


@several_machines
def test_a_run_begins_before_whatever_it_writes() -> None:
    database_now()
    begun = clock.earlier_than_new_times()
    assert clock._last is not None
    clock._last = Reading(clock._last.moment - clock.JITTER * 0.9, clock._last.tick)
    assert clock.no_later_than_now() >= begun


@several_machines
def test_a_transaction_that_failed_still_has_a_time() -> None:
    before = database_now()
    with pytest.raises(Exception, match="aborted"), transaction.atomic(), connection.cursor() as cursor:
        with pytest.raises(Exception, match="nothing_there"):
            cursor.execute("SELECT * FROM nothing_there")
        clock._last = None
        assert database_now() >= before - HOUR
        cursor.execute("SELECT 1")


def test_a_bucket_is_counted_from_the_right_moment() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    window = timedelta(seconds=MINUTE)
    assert counted_from(None, now) == now
    assert counted_from(now - DAY, now) == now
    assert counted_from(now + window, now) == now + window  # no time is counted twice
    assert counted_from(now + DAY, now) == now
    assert seconds_gone(now + window, now) == 0
    assert seconds_gone(now + DAY, now) == seconds_gone(None, now) == MINUTE
    assert seconds_gone(now - DAY, now) == DAY.total_seconds()


def test_a_route_that_a_wrong_clock_filled_is_free_again() -> None:
    limit = RateLimit.objects.create(pattern="default/gpt-4o-mini", requests_per_minute=600)
    RateLimit.objects.update(requests_available=-30, refilled_at=database_now() + DAY)
    queued(**ROUTE)
    assert len(claim(1, "w1")) == 1
    limit.refresh_from_db()
    assert limit.refilled_at is not None
    assert limit.refilled_at < database_now() + HOUR
    assert limit.requests_available <= 59


@pytest.mark.slow
def test_machines_an_hour_apart_claim_no_more_than_the_limit() -> None:
    """300 claims by turns, from a bucket that holds ten."""
    RateLimit.objects.create(pattern="default/gpt-4o-mini", requests_per_minute=100)
    for _ in range(400):
        queued(**ROUTE)
    began, taken = database_now(), 0
    for ahead in islice(cycle((HOUR, timedelta(0))), 300):
        with machine_clock(ahead):
            call = ServiceCallRecord.objects.queued().first()
            assert call is not None
            taken += len(claim(1, "w1"))
    took = (database_now() - began).total_seconds()
    assert taken <= 10 + took * 100 / 60 + 1


@several_machines
def test_windows_of_attempts_are_the_same_on_all_machines() -> None:
    window = Window(name="clocks", limit=10, seconds=86_400 * 365)
    granted = 0
    for ahead in islice(cycle((DAY * 400, timedelta(0))), 1200):
        with machine_clock(ahead):
            granted += window.hit("someone") == 0
    assert granted == 10


@several_machines
def test_each_beat_tells_how_far_the_clock_is_off(client: Client, admin_client: Client) -> None:
    node = Heartbeat("skewed", interval=1.0)
    node.acquire(lambda: False)
    try:
        with machine_clock(timedelta(seconds=-90)):
            node.beat(reason="")
    finally:
        node.release()
    row = WorkerNode.objects.get(name="skewed")
    assert row.clock_offset == pytest.approx(-90, abs=5)
    assert row.is_clock_off
    assert abs(row.beat_at - database_now()) < timedelta(seconds=30)
    assert client.get("/readyz").json()["clocks_off"] == 1
    assert 'orchestrai_clock_offset_seconds{node="skewed"} -' in client.get("/metrics").content.decode()
    assert "-90.0 s" in admin_client.get("/admin/orchestration/workernode/").content.decode()


def test_each_beat_tells_how_far_a_worker_is_behind(client: Client, admin_client: Client, settings, tmp_path) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    node = Heartbeat("late", interval=1.0)
    node.acquire(lambda: False)
    try:
        with WorkerLock("late:1:ab") as slow, WorkerLock("late:2:cd") as quick:
            slow.note(7.5)
            quick.note(0.1)
            node.beat(reason="")
    finally:
        node.release()
    assert WorkerNode.objects.get(name="late").lag_seconds == 7.5
    assert 'orchestrai_worker_lag_seconds{node="late"} 7.5' in client.get("/metrics").content.decode()
    assert "7.5 s" in admin_client.get("/admin/orchestration/workernode/").content.decode()


@several_machines
def test_a_check_names_a_clock_that_is_off() -> None:
    def found() -> list[str]:
        return [message.msg for message in run_checks(databases=["default"]) if message.id == "orchestration.W112"]

    assert found() == []
    with machine_clock(timedelta(seconds=60)):
        assert "60.0 s ahead" in found()[0]


def test_a_node_whose_clock_is_right_is_in_time(admin_client: Client) -> None:
    WorkerNode.objects.create(name="a", clock_offset=1.2)
    page = admin_client.get("/admin/orchestration/workernode/").content.decode()
    assert "1.2 s" in page
    assert WorkerNode(clock_offset=2.1).is_clock_off
    assert WorkerNode(clock_offset=-2.1).is_clock_off
    assert not WorkerNode(clock_offset=-1.9).is_clock_off
    assert not WorkerNode().is_clock_off


def test_a_call_that_waits_is_due_when_the_database_says_so() -> None:
    call = submit(CallSpec(service=FreeText, context={"ticket": "x"}, run_at=database_now() + HOUR))
    assert claim(1, "w1") == []
    with database_clock(HOUR + timedelta(seconds=5)):
        assert [taken.pk for taken in claim(1, "w1")] == [call.pk]
    call.refresh_from_db()
    assert call.status == Status.RUNNING
