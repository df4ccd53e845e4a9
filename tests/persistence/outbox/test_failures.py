"""A failed attempt leaves nothing behind but what is told about it."""

import logging
import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orchestration.models.states import PersistState
from orchestration.services import DjangoBaseService
from orchestration.signals import calls_gave_no_result
from persistence.models import PersistedChunk
from persistence.outbox import announcements
from persistence.outbox.drain import drain_calls
from persistence.outbox.outbox_row import OutboxRow
from persistence.outbox.outcomes import Outcome
from persistence.testing import persist, stored_result
from tests.persistence.results import async_note, digest, note, nothing
from tests.seedapp.models import Message, Tally
from tests.seedapp.orca.persist.behaviours import GenerateNote, NoteSchema

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


class WorkerKilled(BaseException):
    """Not an Exception: what a dying worker raises."""


def half_way(handler, response):
    Message.objects.create(role="first")
    Message.objects.create(role="second")
    raise ValueError("Mrs Jones, born 1950-01-01")


async def half_way_async(handler, response):
    await Message.objects.acreate(role="first")
    raise ValueError("Mrs Jones, born 1950-01-01")


@pytest.mark.parametrize("make", [lambda: note(half_way), lambda: async_note(half_way_async)])
def test_a_failure_undoes_everything_and_is_recorded(make):
    record = make()
    before = timezone.now()
    assert persist(record) is Outcome.FAILED
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()
    assert record.domain_persist_state == PersistState.PENDING
    assert record.domain_persist_attempts == 1
    assert before + timedelta(seconds=4.9) < record.next_persist_at < timezone.now() + timedelta(seconds=5.1)


@pytest.mark.parametrize("make", [lambda: note(half_way), lambda: async_note(half_way_async)])
def test_the_recorded_error_is_type_and_place_never_the_message(make, caplog):
    record = make()
    persist(record)
    assert re.match(r"ValueError:test_failures\.py:\d+ from behaviours\.py:\d+$", record.domain_persist_error)
    assert "Jones" not in caplog.text
    assert f"call_id={record.pk}" in caplog.text


def test_a_validation_error_shows_paths_and_types_but_no_values():
    def parse(handler, response):
        return handler.schema.model_validate(response.structured_data)

    record = note(parse, data={"text": 1950, "born": "1950-01-01"})
    persist(record)
    told = record.domain_persist_error
    assert "text: string_type" in told
    assert "<key>: extra_forbidden" in told, "the model made it up, perhaps of a name"
    assert "1950" not in told
    assert "born" not in told


def test_the_recorded_error_is_at_most_1000_characters():
    def parse(handler, response):
        return handler.schema.model_validate(response.structured_data)

    record = note(parse, data={f"unknown_{n:03}": n for n in range(200)})
    persist(record)
    assert len(record.domain_persist_error) == 1000


def test_the_wait_doubles_with_each_failure_up_to_the_cap(settings):
    settings.ORCHESTRAI = {
        **settings.ORCHESTRAI,
        "DOMAIN_PERSIST_BACKOFF_INITIAL_SECONDS": 10,
        "DOMAIN_PERSIST_BACKOFF_CAP_SECONDS": 25,
    }
    record = note(half_way)
    waits = []
    for _ in range(3):
        persist(record)
        waits.append(round((record.next_persist_at - timezone.now()).total_seconds()))
        record.next_persist_at = timezone.now()
        record.save()
    assert waits == [10, 20, 25]


def test_after_the_last_attempt_a_result_is_dead_and_logged(caplog, told):
    record = note(half_way, domain_persist_attempts=9)
    assert persist(record) is Outcome.DEAD
    assert record.domain_persist_state == PersistState.DEAD
    assert not record.domain_persisted
    assert record.domain_persist_attempts == 10
    assert record.next_persist_at is None
    assert record.domain_persist_error.startswith("ValueError:")
    assert [r.levelno for r in caplog.records if "result dead" in r.message] == [logging.ERROR]
    assert told.ready == []
    assert told.created == []
    assert [(call["call_id"], call["error_code"], call["retryable"]) for call in told.failed] == [
        (record.pk, "not_stored", True)
    ]
    assert persist(record) is Outcome.NOT_DUE
    assert len(told.failed) == 1


@pytest.fixture
def given_up():
    """What `calls_gave_no_result` said."""
    heard = []

    def hear(*, call_ids, **_):
        heard.append(call_ids)

    calls_gave_no_result.connect(hear)
    yield heard
    calls_gave_no_result.disconnect(hear)


def test_dead_results_are_announced_together_and_each(monkeypatch, told, given_up):
    monkeypatch.setattr(announcements, "MOST_DEAD", 2)
    monkeypatch.setattr(announcements, "DEAD_SECONDS", 1e9)
    records = [note(half_way, domain_persist_attempts=9) for _ in range(5)]
    drain_calls([record.pk for record in records])
    assert given_up == [[record.pk for record in some] for some in (records[:2], records[2:4], records[4:])]
    assert [call["call_id"] for call in told.failed] == [record.pk for record in records]


def test_a_dead_result_waits_little_for_others(monkeypatch, given_up):
    """A drain of slow handlers may take long."""
    monkeypatch.setattr(announcements, "DEAD_SECONDS", -1.0)
    records = [note(half_way, domain_persist_attempts=9) for _ in range(2)]
    drain_calls([record.pk for record in records])
    assert given_up == [[record.pk] for record in records]


def test_what_dies_in_a_drain_that_breaks_off_is_announced(monkeypatch, given_up):
    first, second = note(half_way, domain_persist_attempts=9), note(nothing)

    def lock(self, *args):
        if self.record.pk == second.pk:
            raise RuntimeError
        return locking(self, *args)

    locking = OutboxRow._lock
    monkeypatch.setattr(OutboxRow, "_lock", lock)
    with pytest.raises(RuntimeError):
        drain_calls([first.pk, second.pk])
    assert given_up == [[first.pk]]


def test_a_dead_result_can_be_persisted_with_fresh_attempts():
    record = note(half_way, domain_persist_attempts=9)
    persist(record)
    record.persist_again()
    persist(record)
    assert record.domain_persist_state == PersistState.PENDING
    assert record.domain_persist_attempts == 1


def test_a_success_after_a_failure_clears_the_error():
    record = note(half_way)
    persist(record)
    record.context["does"] = record.result["context"]["does"] = nothing.__qualname__
    note(nothing)
    record.next_persist_at = timezone.now()
    record.save()
    assert persist(record) is Outcome.PERSISTED
    assert record.domain_persist_error is None
    assert record.domain_persist_attempts == 2


def test_a_database_error_in_a_handler_is_an_ordinary_failure():
    Tally.objects.create(key="taken")

    def collide(handler, response):
        Message.objects.create(role="first")
        Tally.objects.create(key="taken")

    record = note(collide)
    assert persist(record) is Outcome.FAILED
    assert record.domain_persist_error.startswith("IntegrityError:")
    assert not Message.objects.exists()


def test_a_database_error_shows_its_code_and_the_schema_part():
    Tally.objects.create(key="a name of somebody")
    record = note(lambda handler, response: Tally.objects.create(key="a name of somebody"))
    persist(record)
    assert "somebody" not in record.domain_persist_error
    if connection.vendor == "postgresql":
        assert "(SQLSTATE 23505, constraint seedapp_tally_key_" in record.domain_persist_error
        assert ", table seedapp_tally)" in record.domain_persist_error
    else:
        assert "(SQLITE_CONSTRAINT_UNIQUE, column seedapp_tally.key)" in record.domain_persist_error


def test_a_swallowed_database_error_is_not_taken_for_success():
    Tally.objects.create(key="taken")

    def collide_quietly(handler, response):
        Message.objects.create(role="first")
        try:
            Tally.objects.create(key="taken")
        except IntegrityError:
            return None

    record = note(collide_quietly)
    assert persist(record) is Outcome.FAILED
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()


def test_a_database_error_in_the_handlers_savepoint_is_its_own():
    Tally.objects.create(key="taken")

    def collide_in_a_savepoint(handler, response):
        try:
            with transaction.atomic():
                Tally.objects.create(key="taken")
        except IntegrityError:
            return Message.objects.create(role="fallback")

    record = note(collide_in_a_savepoint)
    assert persist(record) is Outcome.PERSISTED
    assert Message.objects.get().role == "fallback"


def test_an_error_that_only_the_commit_finds_is_charged_too():
    """Foreign keys are checked at the commit, after the record was marked persisted."""
    record = note(lambda handler, response: Message.objects.create(role="orphan", simulation_id=404))
    assert persist(record) is Outcome.FAILED
    assert record.domain_persist_attempts == 1
    assert record.domain_persist_error.startswith("IntegrityError:")
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()


def test_a_commit_hook_that_raises_undoes_nothing_committed(caplog, told):
    def hook_fails(handler, response):
        def hook():
            raise ValueError("secret")

        transaction.on_commit(hook)
        return Message.objects.create(role="assistant")

    record = note(hook_fails)
    assert persist(record) is Outcome.PERSISTED
    assert record.domain_persisted
    assert Message.objects.count() == 1
    assert len(told.created) == 1
    assert len(told.ready) == 1
    assert "on_commit hook failed" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("make", [note, digest])
def test_a_killed_worker_leaves_no_rows_and_no_charge(make):
    def die(*_):
        Message.objects.create(role="first")
        raise WorkerKilled

    record = make(die)
    with pytest.raises(WorkerKilled):
        persist(record)
    record.refresh_from_db()
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()
    assert record.domain_persist_state == PersistState.PENDING
    assert record.domain_persist_attempts == 0


def test_a_killed_worker_leaves_no_rows_of_an_async_handler():
    async def die(handler, response):
        await Message.objects.acreate(role="first")
        raise WorkerKilled

    record = async_note(die)
    with pytest.raises(WorkerKilled):
        persist(record)
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()


@pytest.mark.postgres_only
def test_a_lost_connection_charges_nothing_and_the_next_succeeds():
    """The next drain persists the result."""
    killed = []

    def cut_once(handler, response):
        message = Message.objects.create(role="assistant")
        if not killed:
            killed.append(True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return message

    record = note(cut_once)
    assert persist(record) is Outcome.DATABASE_AWAY
    assert record.domain_persist_state == PersistState.PENDING
    assert record.domain_persist_attempts == 0
    assert record.domain_persist_error is None
    assert not Message.objects.exists()
    assert persist(record) is Outcome.PERSISTED
    assert Message.objects.count() == 1


def test_an_operational_error_of_a_living_connection_is_charged():
    def ask_nonsense(handler, response):
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM there_is_no_such_table")

    record = note(ask_nonsense)
    assert persist(record) is Outcome.FAILED
    assert record.domain_persist_attempts == 1


def test_a_result_that_is_not_a_response_fails_with_its_paths():
    record = note(nothing)
    record.result = {"namespace": "seedapp"}
    record.save()
    assert persist(record) is Outcome.FAILED
    assert "ValidationError of Response" in record.domain_persist_error
    assert "correlation_id: missing" in record.domain_persist_error


@pytest.mark.parametrize("value", [{"message_id": 1}, 7, "text", [None], Message(role="unsaved")])
def test_a_handler_that_returns_something_else_is_told_so(value):
    record = note(lambda handler, response: value)
    assert persist(record) is Outcome.FAILED
    assert record.domain_persist_error.startswith("InvalidReturn: persist.seedapp.default.NotePersistence returned a ")


def test_an_async_handler_behind_a_plain_wrapper_runs():
    async def hidden(handler, response):
        return await Message.objects.acreate(role="assistant")

    record = note(hidden)
    assert persist(record) is Outcome.PERSISTED
    assert PersistedChunk.objects.get().domain_object == Message.objects.get()


def test_a_service_that_is_gone_does_not_stop_a_handler():
    record = stored_result(GenerateNote.identity, NoteSchema, {"text": "x"}, context={"does": nothing.__qualname__})
    record.service_identity = "services.seedapp.default.Removed"
    record.save()
    note(nothing)
    assert issubclass(GenerateNote, DjangoBaseService)
    assert persist(record) is Outcome.PERSISTED
