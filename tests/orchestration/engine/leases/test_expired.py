"""Which leases that ran out count as deaths."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from orchestration.engine.leases.process_lock import (
    NOTE,
    Evidence,
    WorkerLock,
    dead_workers,
    evidence,
    lag_of_node,
    remove_file_of,
)
from orchestration.engine.node import longest_task_seconds
from orchestration.engine.queue.claim import Lease, own_node, worker_name
from orchestration.engine.worker.rescuer import FENCED_CALLS, give_back_unheld, rescue
from orchestration.models import AIRequestAudit, EngineCounter, ServiceCallRecord, WorkerNode
from tests.orchestration.factories import expired, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
HOLD = """
import os, sys, fcntl
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def run_dir(settings, tmp_path) -> Path:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    return tmp_path


@pytest.fixture
def other_process(run_dir: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The name of a worker whose process is there, and the process."""
    name = worker_name()
    path = run_dir / "workers" / name
    path.parent.mkdir()
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield name, process
        process.kill()


def noted(path: Path, seconds_ago: float, lag: float = 0.0) -> None:
    """The file of a worker that could act so long ago."""
    path.write_text(NOTE.format(time.monotonic() - seconds_ago, lag))


def node(name: str = "elsewhere", age: float = 1, **fields: object) -> WorkerNode:
    return WorkerNode.objects.create(name=name, beat_at=timezone.now() - timedelta(seconds=age), **fields)


def after_rescue(record: ServiceCallRecord) -> tuple[str, int]:
    rescue()
    record.refresh_from_db()
    return record.status, record.deaths


def test_a_worker_that_lives_has_its_lease_renewed(other_process):
    record = expired(worker=other_process[0])
    assert after_rescue(record) == ("running", 0)
    assert record.lease_expires_at > timezone.now()
    assert record.lease_token == 1


def test_a_worker_whose_process_was_killed_has_died(other_process):
    record = expired(worker=other_process[0])
    other_process[1].kill()
    other_process[1].wait()
    assert evidence(other_process[0]) is Evidence.DIED
    assert after_rescue(record) == ("queued", 1)


def test_a_worker_that_hangs_loses_its_calls_without_a_death(other_process, run_dir):
    record = expired(worker=other_process[0], attempts=1)
    request_audit(record).save()
    noted(run_dir / "workers" / other_process[0], longest_task_seconds() + 1)
    assert after_rescue(record) == ("queued", 0)
    assert EngineCounter.read(FENCED_CALLS) == 1
    assert AIRequestAudit.objects.get().outcome == "unknown"


def test_a_hung_call_that_was_cancelled_ends_cancelled(other_process, run_dir):
    record = expired(worker=other_process[0])
    record.cancel()
    noted(run_dir / "workers" / other_process[0], longest_task_seconds() + 1)
    assert after_rescue(record) == ("cancelled", 0)


def test_a_clock_that_was_set_forward_hangs_nobody(other_process, run_dir):
    record = expired(worker=other_process[0])
    path = run_dir / "workers" / other_process[0]
    noted(path, 1)
    os.utime(path, (1, 1))
    assert after_rescue(record) == ("running", 0)


def test_the_slowest_worker_of_a_node_is_its_lag(other_process, run_dir):
    node, _, _ = other_process[0].partition(":")
    noted(run_dir / "workers" / other_process[0], 1, lag=2.5)
    noted(run_dir / "workers" / f"{node}:1:gone", 1, lag=60)  # nobody holds it
    with WorkerLock(f"{node}:2:ab") as own, WorkerLock("stranger:3:ab") as stranger:
        own.note(1.0)
        stranger.note(60.0)
        assert lag_of_node(node) == 2.5
        own.note(float("inf"))
        assert lag_of_node(node) == 1e9
    assert lag_of_node("nobody") == 0.0


def test_another_machine_decides_about_its_own_workers():
    node()
    assert after_rescue(expired(worker="elsewhere:1:ab")) == ("running", 0)


def test_another_machine_that_says_nothing_is_dead():
    node(age=60)
    assert after_rescue(expired(worker="elsewhere:1:ab")) == ("queued", 1)


def test_another_machine_that_stopped_has_no_workers():
    node(stopping=True)
    assert after_rescue(expired(worker="elsewhere:1:ab")) == ("queued", 1)


def test_another_machine_may_be_late_only_so_long():
    node()
    since = timezone.now() - timedelta(seconds=longest_task_seconds() + 1)
    assert after_rescue(expired(worker="elsewhere:1:ab", lease_expires_at=since)) == ("queued", 0)


def test_a_worker_of_this_machine_without_a_file_is_gone():
    node(own_node())
    assert after_rescue(expired(worker=worker_name())) == ("queued", 1)


def test_many_calls_of_a_late_machine_hide_no_dead_ones(monkeypatch):
    node()
    monkeypatch.setattr("orchestration.engine.worker.rescuer.BATCH", 2)
    for _ in range(3):
        expired(worker="elsewhere:1:ab")
    assert after_rescue(expired(worker="gone:1:ab")) == ("queued", 1)


def test_a_worker_gives_back_what_it_does_not_run():
    held = running(worker="w:1:ab", lease_expires_at=timezone.now() + timedelta(seconds=2))
    lost = running(worker="w:1:ab", attempts=1, lease_expires_at=timezone.now() + timedelta(seconds=2))
    fresh = running(worker="w:1:ab")
    others = running(worker="w:2:cd", lease_expires_at=timezone.now() + timedelta(seconds=2))
    request_audit(lost).save()
    assert give_back_unheld("w:1:ab", {Lease(held.pk, held.lease_token)}) == 1
    lost.refresh_from_db()
    assert (lost.status, lost.deaths) == ("queued", 0)
    assert AIRequestAudit.objects.get().outcome == "unknown"
    assert ServiceCallRecord.objects.running().count() == len([held, fresh, others])


def test_a_lock_is_seen_while_it_is_held_and_leaves_no_file(run_dir):
    with WorkerLock("w:1:ab"):
        assert evidence("w:1:ab") is Evidence.LIVES
        assert dead_workers() == set()
        remove_file_of("w:1:ab")
        assert evidence("w:1:ab") is Evidence.LIVES
    assert evidence("w:1:ab") is Evidence.NONE
    assert list((run_dir / "workers").iterdir()) == []


def test_files_of_the_dead_are_removed(run_dir):
    (run_dir / "workers").mkdir()
    (run_dir / "workers" / "w:1:ab").touch()
    assert evidence("w:1:ab") is Evidence.DIED
    assert dead_workers() == {"w:1:ab"}
    remove_file_of("w:1:ab")
    assert dead_workers() == set()
    assert evidence("w:1:ab") is Evidence.NONE


def test_a_folder_that_takes_no_files_costs_nothing_else(settings, tmp_path, caplog):
    blocked = tmp_path / "a-file"
    blocked.touch()
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": blocked}
    with WorkerLock("w:1:ab") as lock:
        lock.note()
    assert "worker file not held" in caplog.text
    assert evidence("w:1:ab") is Evidence.NONE
