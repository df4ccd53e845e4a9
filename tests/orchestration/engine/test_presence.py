import os
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.engine.presence import Presence
from orchestration.errors import NodeNameTaken
from orchestration.models import WorkerNode

pytestmark = pytest.mark.django_db


@pytest.fixture
def presence(settings, tmp_path):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    presence = Presence("here", interval=0.2)
    yield presence
    presence.leave()


def take(presence):
    presence.take(cancelled=lambda: False)


def row_of_another(age, **fields):
    beat = timezone.now() - timedelta(seconds=age)
    return WorkerNode.objects.create(name="here", host="elsewhere", pid=4, beat_at=beat, started_at=beat, **fields)


def test_the_first_supervisor_takes_the_name(presence):
    take(presence)
    row = WorkerNode.objects.get()
    assert (row.name, row.pid, row.stopping) == ("here", os.getpid(), False)


def test_a_second_supervisor_on_this_machine_is_refused_with_the_way_out(presence):
    take(presence)
    second = Presence("here", interval=0.2)
    with pytest.raises(NodeNameTaken, match="ORCA_NODE_NAME"):
        take(second)
    second.leave()


def test_a_name_whose_supervisor_missed_three_beats_is_taken_over(presence):
    row_of_another(age=1, restarts=7)
    take(presence)
    row = WorkerNode.objects.get()
    assert row.pid == os.getpid()
    assert row.restarts == 7
    assert presence.restarts == 7


def test_a_young_row_that_beats_no_more_is_taken_over_after_a_while(presence):
    row_of_another(age=0)
    take(presence)
    assert WorkerNode.objects.get().pid == os.getpid()


def test_a_young_row_that_says_it_stops_is_taken_over(presence):
    row_of_another(age=-3600, stopping=True)
    take(presence)
    assert WorkerNode.objects.get().pid == os.getpid()


def test_a_row_from_a_clock_that_runs_ahead_does_not_hold_the_name_for_ever(presence):
    row_of_another(age=-3600)
    take(presence)
    assert WorkerNode.objects.get().pid == os.getpid()


def test_the_next_supervisor_on_the_same_machine_need_not_wait(presence):
    take(presence)
    presence.leave()
    presence.interval = 60
    started = timezone.now()
    take(presence)
    assert timezone.now() - started < timedelta(seconds=5)


def test_a_beat_says_when_the_cluster_last_ran_a_task(presence):
    take(presence)
    assert presence.beat(reason="") is None
    now = timezone.now()
    WorkerNode.objects.update(task_beat_at=now)
    assert presence.beat(reason="") == now


def test_a_beat_of_a_replaced_supervisor_is_refused(presence):
    take(presence)
    WorkerNode.objects.update(started_at=timezone.now())
    with pytest.raises(NodeNameTaken, match="stood still"):
        presence.beat(reason="")
