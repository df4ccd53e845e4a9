"""A handler that takes its process down is charged, by whoever drains next on that machine."""

import os
import re
import signal
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone
from django_q.exceptions import TimeoutException

from orchestration.models.states import PersistState
from persistence.bulk.runs import freeze, progress, start
from persistence.bulk.worker import work
from persistence.models import BulkRun, PersistedPart, PersistenceDeath
from persistence.operations import REPROCESS
from persistence.outbox import drain
from persistence.outbox.crash_markers import orphaned_markers
from persistence.outbox.drain import drain_batch
from persistence.testing import stored_result
from tests.clusters import until
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import CONDUCT, kill_the_process
from tests.seedapp.orca.persist.reprocessed import GenerateList, ListSchema

PROCESS = re.compile(r"process (\d+) on '")
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture(autouse=True)
def run_dir(settings, tmp_path):
    """A machine of its own: marks of others are not to be found here."""
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path / "run"}
    return tmp_path / "run"


def write(handler, response):
    return Message.objects.create(role="assistant")


def time_out(handler, response):
    """What the broker raises in a task that takes too long."""
    Message.objects.create(role="half")
    raise TimeoutException


def drain_in_a_fork() -> int:
    return in_a_fork(drain_batch)


def in_a_fork(function) -> int:
    connections.close_all()
    child = os.fork()
    if child == 0:
        function()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    until(no_other_session, "the server has noticed that the process is gone")
    return status


def no_other_session() -> bool:
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone() == (0,)


def wait_is_over(record):
    record.refresh_from_db()
    record.next_persist_at = timezone.now() - timedelta(seconds=1)
    record.save(update_fields=["next_persist_at"])


def test_what_could_not_be_charged_does_not_run(run_dir, monkeypatch):
    """The server lets go of a killed process's row some time after its death: until then its mark is not charged."""
    killer, good = note(kill_the_process, priority=1), note(write)
    assert drain_in_a_fork() == -signal.SIGKILL
    monkeypatch.setattr(drain, "_charge_death", lambda *_: False)
    assert drain_batch().processed == 1
    monkeypatch.undo()
    killer.refresh_from_db(), good.refresh_from_db()
    assert (killer.domain_persist_attempts, good.domain_persisted) == (0, True)


def test_a_handler_that_kills_its_process_leaves_evidence(run_dir, told, caplog):
    """Its result ends dead."""
    record, good = note(kill_the_process, priority=1), note(write)
    assert drain_in_a_fork() == -signal.SIGKILL
    assert not Message.objects.exists()
    assert drain_batch().processed == 1, "the others are not held up"
    record.refresh_from_db(), good.refresh_from_db()
    assert (record.domain_persist_state, record.domain_persist_attempts, good.domain_persisted) == ("pending", 1, True)
    assert record.next_persist_at > timezone.now()
    assert "WorkerDied: 1 processes ended" in record.domain_persist_error
    for _ in range(2):
        wait_is_over(record)
        assert drain_in_a_fork() == -signal.SIGKILL
        assert drain_batch().claimed == 0
    record.refresh_from_db()
    pids = {mark.group(1) for mark in PROCESS.finditer(record.domain_persist_error)}
    assert record.domain_persist_state == PersistState.DEAD
    assert len(pids) == 3
    assert [call["error_code"] for call in told.failed] == ["not_stored"]
    assert told.failed[0]["call_id"] == record.pk
    assert told.failed[0]["retryable"] is True
    assert "process died while persisting" in caplog.text
    assert list(orphaned_markers()) == []
    assert list((run_dir / "persisting").iterdir()) == []
    record.persist_again()
    assert drain_in_a_fork() == -signal.SIGKILL
    drain_batch()
    record.refresh_from_db()
    assert "1 processes ended" in record.domain_persist_error, "asked for again, it has a fresh allowance"
    assert Message.objects.count() == 1


def test_a_handler_that_hangs_is_charged_by_the_next_drain():
    record = note(time_out)
    with pytest.raises(TimeoutException):
        drain_batch()
    record.refresh_from_db()
    assert record.domain_persist_attempts == 0
    assert drain_batch().claimed == 0
    record.refresh_from_db()
    assert record.domain_persist_attempts == 1
    assert not Message.objects.exists()
    assert PersistenceDeath.objects.get().pid == os.getpid()


def test_a_part_that_kills_its_process_is_dead_alone(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_DEATHS": 1}
    CONDUCT["poison"] = lambda: time_out(None, None)
    record = stored_result(GenerateList.identity, ListSchema, {"items": ["good", "poison"]})
    with pytest.raises(TimeoutException):
        drain_batch()
    drain_batch()
    wait_is_over(record)
    drain_batch()
    record.refresh_from_db()
    CONDUCT.pop("poison")
    assert [message.content for message in Message.objects.all()] == ["good"]
    assert PersistedPart.objects.get().is_dead
    assert record.domain_persist_state == PersistState.DEAD


def test_a_bulk_run_skips_an_item_that_killed_three_processes():
    records = [note(write), note(kill_the_process), note(write)]
    run = freeze(REPROCESS, {})
    start(run)
    for _ in range(3):
        assert in_a_fork(lambda: work(run.pk)) == -signal.SIGKILL
        BulkRun.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert Message.objects.count() == 1
    assert work(run.pk) == 1
    items = dict(run.items.values_list("call_id", "outcome"))
    assert items == dict(zip([record.pk for record in records], ["persisted", "failed", "persisted"], strict=True))
    assert "3 processes ended" in run.items.get(outcome="failed").error
    assert progress(run)["state"] == "done"


def test_a_death_after_the_commit_charges_nothing():
    """A death at a result that somebody else persisted does not either."""
    record = note(time_out)
    with pytest.raises(TimeoutException):
        drain_batch()
    record.domain_persist_state, record.next_persist_at = PersistState.PERSISTED, None
    record.save()
    drain_batch()
    record.refresh_from_db()
    assert record.domain_persist_attempts == 0
    assert list(orphaned_markers()) == []


def test_a_disk_that_takes_no_marks_does_not_stop_the_drain(settings, tmp_path, caplog):
    blocked = tmp_path / "a-file"
    blocked.touch()
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": blocked}
    note(write)
    assert drain_batch().processed == 1
    assert "cannot be detected" in caplog.text
