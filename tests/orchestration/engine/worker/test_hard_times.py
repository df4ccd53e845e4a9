"""A full disk, a lock that somebody holds too long, clocks that jump: each is a delay, never a wrong row."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from orchestration.engine.execution.commands import Settle
from orchestration.engine.execution.group_commit import STALE_WRITES, commit
from orchestration.engine.queue.claim import Lease, claim
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.worker.rescuer import rescue
from orchestration.errors import StaleLease
from orchestration.models import AIRequestAudit, EngineCounter, ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.clocks import database_clock
from tests.clusters import until
from tests.engineapp.orca.services.triage import FreeText
from tests.orchestration.engine.worker.test_loop import QUICK, is_now, running_loop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]
on_sqlite = pytest.mark.skipif(
    "connection.vendor != 'sqlite'", reason="a file whose size and lock a test can have in its hands"
)
SLOW = Fault(kind="ok", latency_ms=600)


@pytest.fixture(autouse=True)
def _quick(settings: pytest.FixtureRequest) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, **QUICK}


def one_call() -> ServiceCallRecord:
    return submit(CallSpec(service=FreeText, context={"ticket": "It is broken."}))


class Disk:
    """Every connection of this process to the database, and how many pages its file may have."""

    def __init__(self) -> None:
        self._connections: list[Any] = []
        self._pages = 2**30

    def watch(self, connection: Any, **_: object) -> None:
        self._connections.append(connection.connection)
        connection.connection.execute(f"PRAGMA max_page_count = {self._pages}")

    @contextmanager
    def full(self) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            self._allow(cursor.fetchone()[0])
        yield
        self._allow(2**30)

    def _allow(self, pages: int) -> None:
        self._pages = pages
        for raw in self._connections:
            with suppress(sqlite3.ProgrammingError):  # closed by now
                raw.execute(f"PRAGMA max_page_count = {pages}")


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM" if connection.vendor == "sqlite" else "SELECT 1")  # no pages that earlier tests freed
    connection.close()
    connection_created.connect(disk.watch)
    yield disk
    connection_created.disconnect(disk.watch)
    connection.close()


@on_sqlite
def test_a_full_disk_delays_the_answer_and_loses_nothing_of_it(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    record = one_call()
    text = "x" * 300_000
    with scripted(Fault(kind="text", text=text, latency_ms=600)) as simulation, running_loop():
        until(lambda: bool(simulation.request_log.entries), "the request to be sent")
        with disk.full():
            until(lambda: "database away error=OperationalError" in caplog.text, "the answer to find no room")
            assert is_now(record, "running")()
        until(is_now(record, "succeeded"), "the answer to be stored", 20)
    assert (len(simulation.request_log.entries), record.attempts) == (1, 1)
    audit = AIRequestAudit.objects.select_related("response_audit").get()
    assert audit.outcome == "answered"
    assert text in str(record.result)


@on_sqlite
def test_a_lock_that_is_held_too_long_delays_the_answer() -> None:
    record = one_call()
    with scripted(SLOW) as simulation, running_loop():
        until(lambda: bool(simulation.request_log.entries), "the request to be sent")
        with _write_lock(1.5):
            until(is_now(record, "running"), "nothing to change", 5)
        until(is_now(record, "succeeded"), "the answer to be stored", 20)
    assert (len(simulation.request_log.entries), record.attempts) == (1, 1)


@contextmanager
def _write_lock(seconds: float) -> Iterator[None]:
    """Another process' transaction, for so long."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        time.sleep(seconds)
        other.execute("ROLLBACK")


@pytest.mark.postgres
def test_a_clock_that_jumps_ahead_takes_a_call_from_its_worker() -> None:
    """What that worker writes is refused."""
    record = one_call()
    (held,) = claim(1, "a-live-worker")
    stale_before = EngineCounter.read(STALE_WRITES)
    with database_clock(timedelta(hours=1)):
        assert rescue().requeued == 1
        (again,) = claim(1, "with-the-fast-clock")
    late = Settle(lease=Lease(held.pk, held.lease_token), record=held, status=Status.FAILED, persist=PersistState.NONE)
    (refused,) = commit([late])
    assert isinstance(refused, StaleLease)
    assert EngineCounter.read(STALE_WRITES) == stale_before + 1
    record.refresh_from_db()
    assert (record.status, record.lease_token, record.deaths) == ("running", again.lease_token, 1)


@pytest.mark.postgres
def test_a_clock_that_jumps_back_only_delays() -> None:
    record = one_call()
    with scripted() as simulation:
        with database_clock(timedelta(hours=-1)):
            assert claim(1, "with-the-slow-clock") == []
            assert rescue().requeued == 0
        drain()
    record.refresh_from_db()
    assert (record.status, len(simulation.request_log.entries)) == ("succeeded", 1)
