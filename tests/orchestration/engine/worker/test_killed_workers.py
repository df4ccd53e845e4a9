"""Calls of killed workers run again without waiting for their leases."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from orchestration.engine.leases import outage
from orchestration.engine.leases.process_lock import WorkerLock, dead_workers
from orchestration.engine.worker import killed_workers
from orchestration.engine.worker.killed_workers import KilledWorkers
from orchestration.engine.worker.liveness import LivenessMarks
from orchestration.models import ServiceCallRecord
from orchestration.models.engine_events import EngineEvent
from tests.orchestration.factories import running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture
def run_dir(settings: Any, tmp_path: Path) -> Path:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    (tmp_path / "workers").mkdir()
    return tmp_path


@pytest.fixture
def died(run_dir: Path) -> Callable[[str], None]:
    """Leaves the file that a killed worker of this name leaves: nobody holds it."""
    return lambda worker: (run_dir / "workers" / worker).touch()


@pytest.fixture
def killed(run_dir: Path) -> KilledWorkers:
    return KilledWorkers("here", LivenessMarks("here"))


def status_of(record: ServiceCallRecord) -> tuple[str, int]:
    record.refresh_from_db()
    return record.status, record.deaths


def test_calls_of_killed_workers_of_the_machine_do_not_wait(killed: KilledWorkers, died: Callable[[str], None]) -> None:
    """Also those of another node, whose supervisor may have been killed with them."""
    its, other, elsewhere, living = (running(worker=f"{name}:1:ab") for name in ("here", "there", "remote", "lives"))
    died("here:1:ab")
    died("there:1:ab")
    with WorkerLock("lives:1:ab"):
        killed.rescue()
    assert status_of(its) == status_of(other) == ("queued", 1)
    assert status_of(elsewhere) == status_of(living) == ("running", 0)


def test_what_the_database_still_did_for_it_is_found_later(
    killed: KilledWorkers, died: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that was committed after its worker had been found dead."""
    died("here:1:ab")
    killed.rescue()
    late = running(worker="here:1:ab")
    killed.rescue()
    assert status_of(late) == ("queued", 1)
    assert dead_workers() == {"here:1:ab"}
    monkeypatch.setattr(killed_workers, "SETTLED_SECONDS", 0.0)
    killed.rescue()
    assert dead_workers() == set()


@pytest.mark.postgres_only
def test_rows_that_its_last_transaction_locks_are_taken_later(
    killed: KilledWorkers, died: Callable[[str], None]
) -> None:
    record = running(worker="here:1:ab")
    died("here:1:ab")
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            ServiceCallRecord.objects.select_for_update().get(pk=record.pk)
            locked.set()
            done.wait(5)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(5)
    killed.rescue()
    assert status_of(record) == ("running", 0)
    done.set()
    holder.join()
    killed.rescue()
    assert status_of(record) == ("queued", 1)


def test_a_database_that_was_away_proves_no_living_of_the_dead(
    killed: KilledWorkers, died: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage leases prove nothing for a while; a file does."""
    monkeypatch.setattr(outage, "still_recovering", lambda: True)
    record = running(worker="here:1:ab")
    died("here:1:ab")
    with monkeypatch.context() as away:
        away.setattr(killed_workers, "expire_leases_of", refuse)
        killed.rescue()
    assert status_of(record) == ("running", 0)
    killed.rescue()
    assert status_of(record) == ("queued", 1)


def refuse(_: object) -> int:
    raise OperationalError("away")


def test_each_death_of_a_worker_at_work_is_noted_once(killed: KilledWorkers, run_dir: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    marks = LivenessMarks("here")
    (marks.folder / f"worker-{dead.pid}").write_text("1.0")
    marks.busy()
    for _ in range(2):
        killed.rescue()
    assert [event.about for event in EngineEvent.objects.all()] == [f"here: process {dead.pid}"]
    assert (marks.folder / f"worker-{os.getpid()}").exists()
