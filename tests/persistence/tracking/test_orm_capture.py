"""What a handler takes back with a savepoint, or deletes again, was not made."""

import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from persistence.models import ObjectAction, PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.reprocessing.reprocess import ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist
from tests.persistence.results import async_note, note
from tests.persistence.statements import reads_of
from tests.seedapp.models import Attachment, Message, Simulation, SpokenMessage, Tally, UrgentMessage

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


class Undone(Exception):
    """Leaves an atomic block."""


def by_atomic(work):
    try:
        with transaction.atomic():
            work()
            raise Undone
    except Undone:
        pass


def by_inner_atomic_without_savepoint(work):
    def inside():
        with transaction.atomic(savepoint=False):
            work()

    by_atomic(inside)


def by_hand(work):
    savepoint = connection.savepoint()
    work()
    transaction.savepoint_rollback(savepoint)


def by_sql(work):
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT mine")
        work()
        cursor.execute("rollback to mine")


def by_an_error_of_the_database(work):
    try:
        with transaction.atomic():
            work()
            Tally.objects.bulk_create([Tally(key="twice"), Tally(key="twice")])
    except IntegrityError:
        pass


WAYS = [by_atomic, by_inner_atomic_without_savepoint, by_hand, by_sql, by_an_error_of_the_database]
taken_back = pytest.mark.parametrize("taking_back", WAYS)


def entries():
    return {(row.label.split()[0], row.action) for row in PersistedObject.objects.all()}


@taken_back
def test_rows_that_were_rolled_back_were_not_made(taking_back):
    def trying(handler, response):
        taking_back(lambda: Tally.objects.create(key="natural", count=3))
        taking_back(lambda: Tally.objects.bulk_create([Tally(key="natural"), Tally(key="other")]))
        return Message.objects.create(role="kept")

    record = note(trying)
    shown = dry_run(record.pk)
    assert [(c.model, c.action) for c in shown.changes] == [(Message, ObjectAction.CREATED)]
    assert reprocess(record.pk).counts == shown.counts
    assert entries() == {("message", "created")}


@taken_back
def test_a_later_row_like_a_rolled_back_one_is_left_alone(taking_back):
    def trying(handler, response):
        taking_back(lambda: Tally.objects.create(key="natural", count=3))

    record = note(trying)
    assert persist(record) is Outcome.PERSISTED
    person = Tally.objects.create(key="natural", count=3)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert Tally.objects.get() == person


@taken_back
def test_changes_that_were_rolled_back_did_not_happen(taking_back):
    old = Simulation.objects.create(sim_patient_full_name="Before")
    other = Tally.objects.create(key="there", count=1)

    def trying(handler, response):
        taking_back(lambda: Simulation.objects.filter(pk=old.pk).update(sim_patient_full_name="Half"))
        taking_back(lambda: Tally.objects.all().delete())
        Tally.objects.filter(pk=other.pk).update(count=2)

    record = note(trying)
    assert [c.fields for c in dry_run(record.pk).changes] == [{"count": [1, 2]}]
    persist(record)
    assert entries() == {("tally", "updated")}
    revert(record.pk)
    other.refresh_from_db()
    assert other.count == 1


def test_changes_before_and_in_a_savepoint_keep_the_first_image():
    old = Simulation.objects.create(sim_patient_full_name="Before")

    def trying(handler, response):
        rows = Simulation.objects.filter(pk=old.pk)
        rows.update(sim_patient_full_name="First")
        by_atomic(lambda: rows.update(sim_patient_full_name="Half"))

    record = note(trying)
    assert [c.fields for c in dry_run(record.pk).changes] == [{"sim_patient_full_name": ["Before", "First"]}]
    persist(record)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    old.refresh_from_db()
    assert old.sim_patient_full_name == "Before"


def test_a_row_made_before_a_savepoint_is_recorded_as_made():
    """Changes in a savepoint that is rolled back do not count."""

    def trying(handler, response):
        message = Message.objects.create(role="made", content="as made")
        by_atomic(lambda: Message.objects.filter(pk=message.pk).update(content="half"))
        by_atomic(lambda: Message.objects.filter(pk=message.pk).delete())
        return message

    record = note(trying)
    assert [c.after["content"] for c in dry_run(record.pk).changes] == ["as made"]
    persist(record)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not Message.objects.exists()


@taken_back
@pytest.mark.parametrize("way", ["return", "link before", "link after", "among others"])
def test_an_object_that_was_rolled_back_cannot_be_handed_over(taking_back, way):
    def trying(handler, response):
        chunk, _ = handler.ensure_idempotent_now(response)
        lost = Message(role="lost")

        def work():
            lost.save()
            if way == "link before":
                handler.link(chunk, lost)

        taking_back(work)
        if way == "link after":
            handler.link(chunk, lost)
        others = [Message.objects.create(role="takes the key on SQLite")]
        return [*others, lost] if way == "among others" else lost if way == "return" else others

    record = note(trying)
    assert persist(record) is Outcome.FAILED
    assert "InvalidLink: A Message was linked or returned that no longer exists" in record.domain_persist_error
    assert dry_run(record.pk).outcome is ReprocessOutcome.FAILED
    assert not Message.objects.exists()
    assert not PersistedObject.objects.exists()


def test_an_object_that_is_saved_again_after_a_rollback_is_there():
    def trying(handler, response):
        message = Message(role="twice")
        by_atomic(message.save)
        message.save()
        return message

    record = note(trying)
    assert persist(record) is Outcome.PERSISTED
    assert entries() == {("message", "created")}
    assert Message.objects.get().role == "twice"


def test_an_object_bulk_inserted_again_after_a_rollback_is_there():
    def trying(handler, response):
        objects = [Attachment(kind="a"), Attachment(kind="b")]
        by_atomic(lambda: Attachment.objects.bulk_create(objects))
        return Attachment.objects.bulk_create(objects)

    assert persist(note(trying)) is Outcome.PERSISTED
    assert PersistedObject.objects.filter(action="created").count() == 2


@pytest.mark.parametrize("delete", [lambda one: one.delete(), lambda one: Message.objects.filter(pk=one.pk).delete()])
def test_rows_that_are_made_and_deleted_again_were_not_made(delete):
    def fleeting(handler, response):
        delete(Message.objects.create(role="fleeting"))

    record = note(fleeting)
    assert dry_run(record.pk).changes == []
    assert persist(record) is Outcome.PERSISTED
    assert not PersistedObject.objects.exists()


def test_rows_that_are_changed_back_did_not_change():
    old = Tally.objects.create(key="there", count=1)

    def back_and_forth(handler, response):
        Tally.objects.filter(pk=old.pk).update(count=2)
        Tally.objects.filter(pk=old.pk).update(count=1)

    record = note(back_and_forth)
    assert dry_run(record.pk).changes == []
    persist(record)
    assert not PersistedObject.objects.exists()


def test_an_object_whose_row_was_deleted_cannot_be_returned():
    def deleting(handler, response):
        message = Message.objects.create(role="fleeting")
        Message.objects.filter(pk=message.pk).delete()
        return message

    record = note(deleting)
    assert persist(record) is Outcome.FAILED
    assert "no longer exists" in record.domain_persist_error


def test_an_asynchronous_handler_that_rolls_back_made_nothing():
    async def trying(handler, response):
        await sync_to_async(by_atomic)(lambda: Tally.objects.create(key="natural"))
        return await Message.objects.acreate(role="kept")

    persist(async_note(trying))
    assert entries() == {("message", "created")}


def test_a_transaction_marked_for_rollback_is_a_failed_attempt():
    def spoiling(handler, response):
        Message.objects.create(role="half")
        transaction.set_rollback(True)

    record = note(spoiling)
    assert dry_run(record.pk).outcome is ReprocessOutcome.FAILED
    assert persist(record) is Outcome.FAILED
    assert not Message.objects.exists()


def test_rolled_back_rows_of_inherited_tables_were_not_made():
    def trying(handler, response):
        by_atomic(lambda: UrgentMessage.objects.create(role="lost", reason="none"))
        return [UrgentMessage.objects.create(role="kept", reason="fire"), SpokenMessage.objects.create(role="spoken")]

    record = note(trying)
    assert dry_run(record.pk).counts == {"created": 3}
    persist(record)
    assert sorted((row.label.split()[0], row.role) for row in PersistedObject.objects.all()) == [
        ("message", "related"),
        ("message", "related"),
        ("urgent", "primary"),
    ]
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not Message.objects.exists()


def test_inserted_rows_are_read_again_only_after_a_rollback():
    def plainly(handler, response):
        with transaction.atomic():
            Message.objects.create(role="kept")

    def undoing(handler, response):
        plainly(handler, response)
        by_atomic(lambda: Tally.objects.create(key="lost"))

    for conduct, reads in ((plainly, []), (undoing, ["seedapp_message", "seedapp_tally"])):
        record = note(conduct)
        with CaptureQueriesContext(connection) as captured:
            persist(record)
        assert reads_of(captured, "seedapp_message", "seedapp_tally") == reads
