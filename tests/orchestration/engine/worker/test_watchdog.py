"""What the supervisor concludes from what it sees, on the real database, without a cluster."""

import os
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from orchestration import signals
from orchestration.engine.leases import outage
from orchestration.engine.worker.heartbeat import Heartbeat
from orchestration.engine.worker.liveness import LivenessMarks
from orchestration.engine.worker.rescuer import rescue
from orchestration.engine.worker.watchdog import (
    Repeating,
    Watchdog,
    beat_interval,
    send_tick,
    sweep,
)
from orchestration.models import WorkerNode
from tests.orchestration.factories import expired, queued, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def marks(settings, tmp_path):
    settings.ORCHESTRAI = {
        **settings.ORCHESTRAI,
        "RUN_DIR": tmp_path,
        "TICK_SECONDS": 0.2,
        "WEDGED_AFTER_SECONDS": 0.3,
    }
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 1}
    return LivenessMarks("here")


@pytest.fixture
def watch(marks):
    heartbeat = Heartbeat("here", beat_interval() * 10)
    heartbeat.acquire(cancelled=lambda: False)
    watch = Watchdog(heartbeat, marks)
    watch.begin()
    yield watch
    heartbeat.release()


@contextmanager
def database_away():
    """The node's table cannot be reached."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE worker_node RENAME TO worker_node_away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE worker_node_away RENAME TO worker_node")


def cluster_works(watch, marks):
    """A heartbeat task runs and is acknowledged, and the watch sees it."""
    watch.check()
    WorkerNode.objects.filter(name="here").update(task_beat_at=timezone.now())
    marks.acknowledged()
    watch.check()


def look_for(watch, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        watch.check()
        time.sleep(0.05)


def test_each_look_sends_one_heartbeat_task_and_no_backlog(watch):
    for _ in range(3):
        watch.check()
    messages = OrmQ.objects.filter(key="node.here")
    assert [message.task["func"] for message in messages] == ["orchestration.tasks.heartbeat"]
    assert messages[0].task["args"] == ("here",)


def test_a_cluster_without_heartbeats_is_wedged(watch, marks):
    cluster_works(watch, marks)
    look_for(watch, 0.6)
    assert watch.verdict.startswith("wedged: no heartbeat task ran")


def test_a_cluster_that_acknowledges_nothing_is_wedged(watch, marks):
    cluster_works(watch, marks)
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        WorkerNode.objects.filter(name="here").update(task_beat_at=timezone.now())
        watch.check()
        time.sleep(0.05)
    assert watch.verdict.startswith("wedged: no result was acknowledged")


def test_a_cluster_that_still_starts_is_given_time(watch):
    look_for(watch, 0.6)
    assert watch.verdict == ""


def test_a_cluster_whose_workers_are_all_at_work_is_not_wedged(watch, marks):
    cluster_works(watch, marks)
    marks.busy()
    look_for(watch, 0.6)
    assert watch.verdict == ""
    marks.idle()
    look_for(watch, 0.6)
    assert watch.verdict


def test_an_absent_database_is_not_a_wedge_and_logged_by_type(watch, marks, caplog):
    cluster_works(watch, marks)
    with database_away():
        look_for(watch, 0.6)
    assert watch.verdict == ""
    assert "beat not written node=here error=" in caplog.text
    assert "worker_node" not in caplog.text.replace("worker_node_away", "")
    watch.check()
    assert watch.verdict == ""


def test_nothing_is_judged_or_sent_between_two_clusters(watch, marks):
    cluster_works(watch, marks)
    OrmQ.objects.all().delete()
    watch.end()
    look_for(watch, 0.6)
    assert watch.verdict == ""
    assert not OrmQ.objects.exists()


def test_a_supervisor_that_stood_still_notices_a_takeover(watch):
    WorkerNode.objects.filter(name="here").update(pid=os.getpid() + 1)
    watch.check()
    assert watch.name_lost is True


def test_a_stopping_supervisor_frees_its_name(watch):
    watch.stopping = True
    watch.check()
    assert WorkerNode.objects.get(name="here").stopping is True


def test_restarts_and_their_reason_go_out_with_the_next_beat(watch):
    watch.last_restart_reason = "tried"
    watch._heartbeat.restarts += 1
    watch.check()
    row = WorkerNode.objects.get(name="here")
    assert (row.restarts, row.last_restart_reason) == (1, "tried")


def test_a_tick_receiver_that_raises_is_logged_and_others_run(caplog):
    called = []

    def broken(**_):
        raise RuntimeError("with personal data")

    def sound(**_):
        called.append(True)

    signals.tick.connect(broken)
    signals.tick.connect(sound)
    try:
        send_tick()
    finally:
        signals.tick.disconnect(broken)
        signals.tick.disconnect(sound)
    assert called == [True]
    assert "error=RuntimeError" in caplog.text
    assert "personal" not in caplog.text


def test_a_repeated_action_runs_at_once_and_ends_with_its_last():
    done = []
    twice = threading.Event()

    def action():
        done.append("again")
        if len(done) == 2:
            twice.set()

    thread = Repeating("test", 0.01, action, lambda: done.append("last"))
    thread.start()
    assert twice.wait(5)
    thread.stop(5)
    assert not thread.is_alive()
    assert done[:2] == ["again", "again"]
    assert done[-1] == "last"


def test_the_supervisor_finds_expired_calls_and_wakes_for_them(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "WAKE_WINDOW_SECONDS": 0}
    record = expired()
    sweep("here")
    record.refresh_from_db()
    assert (record.status, record.deaths) == ("queued", 1)
    assert OrmQ.objects.count() == 1


def test_a_sweep_wakes_nobody_for_a_call_that_is_held_up():
    queued(ordering_key="k", sequence=2)
    running(ordering_key="k", sequence=1)
    sweep("here")
    assert OrmQ.objects.count() == 0


def test_after_a_long_outage_living_workers_get_time_to_renew(settings, monkeypatch):
    """An outage that is longer than a lease."""
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "LEASE_SECONDS": 0.6, "RENEW_SECONDS": 0.2}
    monkeypatch.setattr(outage, "_outage", outage.Outage())
    expired()
    outage.database_away()
    time.sleep(0.3)
    outage.database_away()
    assert rescue().requeued == 0
    time.sleep(0.35)
    assert rescue().requeued == 1


def test_a_short_outage_delays_no_rescue(monkeypatch):
    monkeypatch.setattr(outage, "_outage", outage.Outage())
    expired()
    outage.database_away()
    assert rescue().requeued == 1
