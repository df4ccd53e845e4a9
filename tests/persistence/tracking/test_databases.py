"""A second database: what is there is never taken for a row of ours, and never touched."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connections, transaction

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import InvalidCall
from persistence.models import ObjectAction, PersistedChunk, PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.provenance import call_for, entries_for
from persistence.reprocessing.reprocess import ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist
from tests.persistence.results import async_note, note
from tests.seedapp.models import Message, Simulation, Tally

pytestmark = [pytest.mark.django_db(databases=["default", "other"]), pytest.mark.postgres]


@pytest.fixture
def innocent():
    """A row of the default database with the key that the handlers below write in the other one."""
    return Message.objects.create(pk=77, role="innocent", content="kept")


def saved_elsewhere():
    return Message.objects.using("other").create(pk=77, role="elsewhere")


@pytest.mark.parametrize(
    "hand_over",
    [
        lambda handler, chunk, found: found,
        lambda handler, chunk, found: [Message.objects.create(role="ours"), found],
        lambda handler, chunk, found: handler.link(chunk, found),
        lambda handler, chunk, found: setattr(chunk, "domain_object", found),
    ],
    ids=["return", "return-second", "link", "assign"],
)
def test_an_object_of_another_database_is_refused(innocent, hand_over):
    def elsewhere(handler, response):
        return hand_over(handler, handler.ensure_idempotent_now(response)[0], saved_elsewhere())

    record = note(elsewhere)
    assert persist(record) is Outcome.FAILED
    assert not PersistedObject.objects.exists()
    assert not PersistedChunk.objects.exists()
    report = reprocess(record.pk)
    assert report.outcome is ReprocessOutcome.FAILED
    innocent.refresh_from_db()
    assert innocent.content == "kept"


def test_the_refusal_names_the_database():
    record = note(lambda handler, response: saved_elsewhere())
    persist(record)
    assert "is in the database 'other'" in record.domain_persist_error


def test_an_object_saved_here_and_then_elsewhere_is_refused():
    def both(handler, response):
        message = Message(role="both")
        message.save()
        message.save(using="other")
        return message

    record = note(both)
    assert persist(record) is Outcome.FAILED
    assert "'other'" in record.domain_persist_error


def test_a_save_in_another_database_is_not_recorded(innocent):
    """A revert leaves that row with its key."""

    def quietly(handler, response):
        saved_elsewhere()
        return Message.objects.create(role="ours")

    record = note(quietly)
    assert persist(record) is Outcome.PERSISTED
    assert [row.domain_object.role for row in PersistedObject.objects.all()] == ["ours"]
    assert list(entries_for(innocent)) == []
    refused = revert(record.pk)
    assert refused.outcome is ReprocessOutcome.REFUSED
    assert "INSERT seedapp_message in other" in refused.error
    assert revert(record.pk, force=True).outcome is ReprocessOutcome.REVERTED
    assert list(Message.objects.values_list("role", flat=True)) == ["innocent"]
    assert Message.objects.using("other").get().role == "elsewhere"


def test_an_async_save_in_another_database_is_not_recorded(innocent):
    async def quietly(handler, response):
        await Message.objects.using("other").acreate(pk=77, role="elsewhere")

    record = async_note(quietly)
    assert persist(record) is Outcome.PERSISTED
    assert not PersistedObject.objects.exists()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_dry_run_writes_nothing_in_another_database():
    def quietly(handler, response):
        Message.objects.create(role="ours")
        Message.objects.using("other").filter(pk=1).update(role="changed")

    Message.objects.using("other").create(pk=1, role="as it was")
    record = note(quietly)
    report = dry_run(record.pk)
    assert report.outcome is ReprocessOutcome.FAILED
    assert "seedapp_message in the database 'other'" in report.error
    assert Message.objects.using("other").get().role == "as it was"
    assert reprocess(record.pk).unseen == ["UPDATE seedapp_message in other"]


def test_an_object_of_another_database_has_no_provenance_here():
    record = note(lambda handler, response: Message.objects.create(pk=77, role="ours"))
    persist(record)
    assert call_for(Message.objects.get()) == record
    assert call_for(saved_elsewhere()) is None


class ReadsElsewhere:
    """A router that sends every read to the other database."""

    def db_for_read(self, model, **hints):
        return "other" if model in (Message, Tally) else None

    def db_for_write(self, model, **hints):
        return self.db_for_read(model)

    def allow_relation(self, *objects, **hints):
        return True


def test_a_revert_uses_the_default_database_despite_a_router(settings):
    Message.objects.create(pk=5, role="changed")

    def ours(handler, response):
        Tally.objects.using("default").create(pk=77, key="ours")
        Message.objects.using("default").filter(pk=5).update(role="by the call")
        Simulation.objects.create(pk=77)

    record = note(ours)
    persist(record)
    saved_elsewhere(), Tally.objects.using("other").create(pk=77, key="elsewhere")
    settings.DATABASE_ROUTERS = [*settings.DATABASE_ROUTERS, ReadsElsewhere()]
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not Tally.objects.using("default").exists()
    assert Message.objects.using("default").get().role == "changed"
    assert Tally.objects.using("other").exists()
    assert Message.objects.using("other").exists()


def test_rows_that_may_exist_are_sought_in_the_default_database(settings):
    Tally.objects.create(key="here", count=1)

    def tallying(handler, response):
        Tally.objects.using("default").bulk_create([Tally(key="here"), Tally(key="new")], ignore_conflicts=True)

    record = note(tallying)
    settings.DATABASE_ROUTERS = [*settings.DATABASE_ROUTERS, ReadsElsewhere()]
    assert persist(record) is Outcome.PERSISTED
    assert [(row.action, row.label) for row in PersistedObject.objects.all()] == [
        (ObjectAction.CREATED, f"tally {Tally.objects.using('default').get(key='new').pk}")
    ]


def test_a_call_is_about_no_object_of_another_database():
    user = get_user_model()(pk=1)
    user._state.adding, user._state.db = False, "other"
    for related in (saved_elsewhere(), user):
        with pytest.raises(InvalidCall, match="'other'"), transaction.atomic():
            submit(CallSpec(service="services.seedapp.default.GenerateNote", related_object=related))


def test_a_capture_leaves_the_other_connection_as_it_was():
    before = list(connections["other"].execute_wrappers)
    dry_run(note(lambda handler, response: None).pk)
    assert connections["other"].execute_wrappers == before
