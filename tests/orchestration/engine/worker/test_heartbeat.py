import os
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.engine.worker.heartbeat import Heartbeat
from orchestration.errors import NodeNameTaken
from orchestration.models import WorkerNode

pytestmark = pytest.mark.django_db


@pytest.fixture
def heartbeat(settings, tmp_path):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    heartbeat = Heartbeat("here", interval=0.2)
    yield heartbeat
    heartbeat.release()


def take(heartbeat):
    heartbeat.acquire(cancelled=lambda: False)


def row_of_another(age, **fields):
    beat = timezone.now() - timedelta(seconds=age)
    return WorkerNode.objects.create(name="here", host="elsewhere", pid=4, beat_at=beat, started_at=beat, **fields)


def test_the_first_supervisor_takes_the_name(heartbeat):
    take(heartbeat)
    row = WorkerNode.objects.get()
    assert (row.name, row.pid, row.stopping) == ("here", os.getpid(), False)


def test_a_second_supervisor_on_a_machine_is_refused_with_advice(heartbeat):
    take(heartbeat)
    second = Heartbeat("here", interval=0.2)
    with pytest.raises(NodeNameTaken, match="ORCA_NODE_NAME"):
        take(second)
    second.release()


def test_a_name_that_missed_three_beats_is_taken_over(heartbeat):
    row_of_another(age=1, restarts=7)
    take(heartbeat)
    row = WorkerNode.objects.get()
    assert row.pid == os.getpid()
    assert row.restarts == 7
    assert heartbeat.restarts == 7


def test_a_young_row_that_stopped_beating_is_taken_over(heartbeat):
    row_of_another(age=0)
    take(heartbeat)
    assert WorkerNode.objects.get().pid == os.getpid()


def test_a_young_row_that_says_it_stops_is_taken_over(heartbeat):
    row_of_another(age=-3600, stopping=True)
    take(heartbeat)
    assert WorkerNode.objects.get().pid == os.getpid()


def test_a_row_from_a_fast_clock_does_not_hold_the_name_for_ever(heartbeat):
    row_of_another(age=-3600)
    take(heartbeat)
    assert WorkerNode.objects.get().pid == os.getpid()


def test_the_next_supervisor_on_the_same_machine_need_not_wait(heartbeat):
    take(heartbeat)
    heartbeat.release()
    heartbeat.interval = 60
    started = timezone.now()
    take(heartbeat)
    assert timezone.now() - started < timedelta(seconds=5)


def test_a_beat_says_when_the_cluster_last_ran_a_task(heartbeat):
    take(heartbeat)
    assert heartbeat.beat(reason="") is None
    now = timezone.now()
    WorkerNode.objects.update(task_beat_at=now)
    assert heartbeat.beat(reason="") == now


def test_a_beat_of_a_replaced_supervisor_is_refused(heartbeat):
    take(heartbeat)
    WorkerNode.objects.update(started_at=timezone.now())
    with pytest.raises(NodeNameTaken, match="stood still"):
        heartbeat.beat(reason="")
