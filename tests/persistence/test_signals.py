"""Who is told what, and when."""

import pytest
from django.db import transaction

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.outbox.drain import drain_call
from persistence.outbox.outcomes import Outcome
from persistence.signals import domain_object_created
from persistence.testing import persist
from tests.persistence.results import async_note, digest, lonely, note, nothing
from tests.seedapp.models import Attachment, Message, Simulation
from tests.seedapp.orca.persist.behaviours import AsyncNotePersistence, GenerateLonely, GenerateNote, NotePersistence

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def write(handler, response):
    message = Message.objects.create(role="assistant")
    return [message, Attachment.objects.create(message=message, kind="image")]


def test_a_created_primary_object_is_announced_once(told, on_commit):
    record = note(write, context={"ward": 7})
    with on_commit():
        persist(record)
        persist(record)
    (signal,) = told.created
    assert signal["sender"] is NotePersistence
    assert signal["instance"] == Message.objects.get()
    assert signal["response"].structured_data == {"text": "hello"}
    assert signal["call_id"] == record.pk
    assert signal["correlation_id"] == record.correlation_id
    assert signal["service_identity"] == "services.seedapp.default.GenerateNote"
    assert signal["namespace"] == "seedapp"
    assert signal["context"] == record.context
    assert signal["context"]["ward"] == 7


def test_a_ready_response_is_announced_with_every_object(told, on_commit):
    record = note(write)
    with on_commit():
        persist(record)
    (signal,) = told.ready
    assert signal["sender"] is GenerateNote
    assert signal["call_id"] == record.pk
    assert signal["objects"] == [Message.objects.get(), Attachment.objects.get()]
    assert signal["response"].call_id == record.pk


def test_an_asynchronous_handler_is_announced_the_same_way(told, on_commit):
    async def write_async(handler, response):
        return await Message.objects.acreate(role="assistant")

    with on_commit():
        persist(async_note(write_async))
    assert [signal["sender"] for signal in told.created] == [AsyncNotePersistence]


def test_an_updated_or_found_object_is_ready_but_not_created(told, on_commit):
    simulation = Simulation.objects.create(sim_patient_full_name="Ada")

    def find(handler, response):
        return Simulation.objects.get()

    def update(handler, response):
        simulation.save()
        return simulation

    with on_commit():
        persist(note(find))
        persist(note(update))
    assert told.created == []
    assert [signal["objects"] for signal in told.ready] == [[simulation], [simulation]]


def test_nothing_returned_means_ready_without_objects(told, on_commit):
    with on_commit():
        persist(note(nothing))
    assert told.created == []
    assert [signal["objects"] for signal in told.ready] == [[]]


def test_a_skipped_result_is_ready_too(told, on_commit):
    with on_commit():
        persist(lonely())
    assert told.created == []
    assert [(signal["sender"], signal["objects"]) for signal in told.ready] == [(GenerateLonely, [])]


def test_a_codec_announces_what_it_saved_but_no_object(told, on_commit):
    def keep(response, parsed):
        return {"message_id": Message.objects.create(role="assistant").pk}

    with on_commit():
        persist(digest(keep))
    assert told.created == []
    assert [s["objects"] for s in told.ready] == [[Message.objects.get()]]


def test_an_idempotent_skip_is_ready_and_announces_no_object(told, on_commit):
    record = note(write)
    with on_commit():
        persist(record)
    ServiceCallRecord.objects.filter(pk=record.pk).update(
        domain_persist_state=PersistState.PENDING, next_persist_at=record.finished_at
    )
    with on_commit():
        assert drain_call(record.pk) is Outcome.PERSISTED
    assert len(told.created) == 1
    assert len(told.ready) == 2
    assert told.ready[1]["objects"] == [Message.objects.get(), Attachment.objects.get()]


def test_a_failure_tells_nobody(told, on_commit):
    def fail(handler, response):
        Message.objects.create(role="assistant")
        raise ValueError

    with on_commit():
        persist(note(fail))
    assert told.created == told.ready == told.failed == []


@pytest.mark.django_db(transaction=True)
def test_nobody_is_told_before_the_callers_transaction_commits(told):
    record = note(write)
    with transaction.atomic():
        drain_call(record.pk)
        assert told.created == told.ready == []
    assert len(told.created) == len(told.ready) == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_is_told_when_the_callers_transaction_rolls_back(told):
    record = note(write)
    with transaction.atomic():
        drain_call(record.pk)
        transaction.set_rollback(True)
    assert told.created == told.ready == []


@pytest.mark.django_db(transaction=True)
def test_a_receiver_sees_the_committed_row_and_may_write(told):
    def attach(sender, instance, **named):
        assert not transaction.get_connection().in_atomic_block
        Attachment.objects.create(message=Message.objects.get(pk=instance.pk), kind="sound")

    domain_object_created.connect(attach, sender=NotePersistence)
    try:
        persist(note(lambda handler, response: Message.objects.create(role="assistant")))
    finally:
        domain_object_created.disconnect(attach, sender=NotePersistence)
    assert Attachment.objects.get().kind == "sound"


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_raises_is_logged_and_stops_nothing(told, caplog):
    def break_down(**named):
        raise ValueError("Mrs Jones")

    domain_object_created.connect(break_down)
    try:
        record = note(write)
        assert persist(record) is Outcome.PERSISTED
    finally:
        domain_object_created.disconnect(break_down)
    assert len(told.ready) == 1
    assert record.domain_persisted
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("orchestration", "persistence"))]
    assert "signal receiver failed" in "\n".join(ours)
    assert "Jones" not in "\n".join(ours)
