import os
import subprocess
import sys
import time

import pytest

from orchestration.engine.worker.liveness import LivenessMarks, Stillness


@pytest.fixture
def marks(settings, tmp_path):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    return LivenessMarks("here")


def test_stillness_grows_while_a_value_is_seen_not_to_change():
    still = Stillness(longest_gap=10)
    for now in (100, 105, 110):
        still.saw("same", now)
    assert still.seconds == 10


def test_a_changed_value_ends_the_stillness():
    still = Stillness(longest_gap=10)
    for now, value in ((100, 1), (109, 1), (111, 2)):
        still.saw(value, now)
    assert still.seconds == 0


def test_an_outage_does_not_count_and_restarts_the_count():
    still = Stillness(longest_gap=10)
    still.saw("same", 100)
    still.saw("same", 109)
    still.not_seen()
    still.saw("same", 500)
    assert still.seconds == 0
    still.saw("same", 505)
    assert still.seconds == 5


def test_a_paused_machine_does_not_count():
    still = Stillness(longest_gap=10)
    still.saw("same", 100)
    still.saw("same", 109)
    still.saw("same", 3709)
    assert still.seconds == 0


def test_it_is_known_whether_a_value_ever_changed():
    still = Stillness(longest_gap=10)
    still.saw("first", 100)
    assert still.moved is False
    still.not_seen()
    still.saw("second", 500)
    assert still.moved is True


def test_a_worker_is_busy_from_its_mark_on_until_it_is_removed(marks):
    assert marks.busy_workers(longest=60) == 0
    marks.busy()
    assert marks.busy_workers(longest=60) == 1
    marks.idle()
    assert marks.busy_workers(longest=60) == 0


def test_a_dead_worker_is_not_busy(marks):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    (marks.folder / f"worker-{ended.pid}").write_text(str(time.monotonic()))
    assert marks.busy_workers(longest=60) == 0


def test_a_worker_that_exceeds_its_time_counts_as_stuck(marks):
    (marks.folder / f"worker-{os.getpid()}").write_text(str(time.monotonic() - 200))
    assert marks.busy_workers(longest=165) == 0
    assert marks.busy_workers(longest=300) == 1


def test_a_mark_that_is_just_being_written_is_not_an_error(marks):
    (marks.folder / f"worker-{os.getpid()}").write_text("")
    assert marks.busy_workers(longest=60) == 0


def test_each_acknowledgement_leaves_another_mark(marks):
    seen = [marks.last_acknowledged()]
    for _ in range(2):
        marks.acknowledged()
        seen.append(marks.last_acknowledged())
    assert seen[0] == ""
    assert len(set(seen)) == 3


def test_a_new_cluster_forgets_acknowledgements_but_not_deaths(marks):
    (marks.folder / "worker-999999999").write_text("1.0")
    marks.acknowledged()
    marks.clear()
    assert marks.last_acknowledged() == ""
    assert marks.killed_at_work() == [999999999]
    marks.forget(999999999)
    assert marks.killed_at_work() == []
