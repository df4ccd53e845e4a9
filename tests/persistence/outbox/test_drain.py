"""One record through the drain: chunk, rows, links and mark, all or none."""

import pytest
from django.db import transaction

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.handlers.registry import fingerprint
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.testing import persist
from tests.persistence.results import async_note, lonely, note, nothing, shared
from tests.seedapp.models import Attachment, Message, Simulation
from tests.seedapp.orca.persist.behaviours import NotePersistence, SharedPersistence

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def one_message(handler, response):
    return Message.objects.create(role="assistant", content=response.structured_data["text"])


async def one_message_async(handler, response):
    return await Message.objects.acreate(role="assistant", content=response.structured_data["text"])


def message_with_attachments(handler, response):
    message = one_message(handler, response)
    return [message, *(Attachment.objects.create(message=message, kind=kind) for kind in ("image", "sound"))]


@pytest.mark.parametrize("make", [lambda: note(one_message), lambda: async_note(one_message_async)])
def test_a_result_becomes_its_row_once(make):
    record = make()
    assert persist(record) is Outcome.PERSISTED
    assert (record.domain_persist_state, record.domain_persisted) == (PersistState.PERSISTED, True)
    assert record.persisted_at is not None
    assert record.next_persist_at is None
    assert record.domain_persist_attempts == 1
    assert persist(record) is Outcome.NOT_DUE
    assert [m.content for m in Message.objects.all()] == ["hello"]


def test_the_chunk_says_what_was_persisted_by_whom_and_as_what():
    record = note(one_message)
    persist(record)
    chunk = PersistedChunk.objects.get()
    message = Message.objects.get()
    assert (chunk.call_id, chunk.part, chunk.namespace) == (record.pk, "", "seedapp")
    assert chunk.schema_identity == "schemas.seedapp.default.NoteSchema"
    assert chunk.schema_version == 1
    assert chunk.handler_identity == "persist.seedapp.default.NotePersistence"
    assert chunk.handler_fingerprint == fingerprint(NotePersistence)
    assert len(chunk.handler_fingerprint) == 16
    assert chunk.domain_object == message
    assert chunk.object_id == str(message.pk)
    row = PersistedObject.objects.get(chunk=chunk)
    assert (row.role, row.action, row.domain_object) == (ObjectRole.PRIMARY, ObjectAction.CREATED, message)


def test_several_returned_objects_are_linked_first_as_primary():
    persist(note(message_with_attachments))
    rows = list(PersistedObject.objects.all())
    assert [row.role for row in rows] == [ObjectRole.PRIMARY, ObjectRole.RELATED, ObjectRole.RELATED]
    assert [row.domain_object for row in rows] == [Message.objects.get(), *Attachment.objects.order_by("kind")]
    assert PersistedChunk.objects.get().domain_object == Message.objects.get()


def test_an_object_with_a_uuid_key_is_linked_like_any_other():
    persist(note(lambda handler, response: Attachment.objects.create(kind="image")))
    chunk = PersistedChunk.objects.get()
    assert chunk.domain_object == Attachment.objects.get()
    assert chunk.object_id == str(Attachment.objects.get().pk)


def test_an_undeclared_save_of_a_handler_is_recorded_as_related():
    simulation = Simulation.objects.create(sim_patient_full_name="Before")

    def rename_and_write(handler, response):
        simulation.sim_patient_full_name = "After"
        simulation.save()
        Attachment.objects.create(kind="image")
        return Message.objects.create(role="assistant")

    persist(note(rename_and_write))
    found = {(row.content_type.model, row.role, row.action) for row in PersistedObject.objects.all()}
    assert found == {
        ("message", ObjectRole.PRIMARY, ObjectAction.CREATED),
        ("simulation", ObjectRole.RELATED, ObjectAction.UPDATED),
        ("attachment", ObjectRole.RELATED, ObjectAction.CREATED),
    }


def test_created_and_then_saved_again_is_still_created():
    def write_twice(handler, response):
        message = Message.objects.create(role="assistant")
        message.content = "more"
        message.save()
        return message

    persist(note(write_twice))
    assert PersistedObject.objects.get().action == ObjectAction.CREATED


def test_what_was_deleted_again_is_not_recorded():
    def write_and_delete(handler, response):
        Message.objects.create(role="draft").delete()
        return Message.objects.create(role="assistant")

    persist(note(write_and_delete))
    assert PersistedObject.objects.get().domain_object == Message.objects.get()


def test_a_handler_that_returns_nothing_is_persisted_not_skipped():
    record = note(nothing)
    assert persist(record) is Outcome.PERSISTED
    chunk = PersistedChunk.objects.get()
    assert chunk.is_complete
    assert chunk.object_id is None
    assert not PersistedObject.objects.exists()
    assert record.domain_persist_state == PersistState.PERSISTED


def test_a_result_that_nothing_takes_is_skipped_without_a_chunk():
    record = lonely()
    assert persist(record) is Outcome.SKIPPED
    assert record.domain_persist_state == PersistState.SKIPPED
    assert record.domain_persist_attempts == 0
    assert not PersistedChunk.objects.exists()


def test_a_skipped_result_can_be_persisted_later():
    record = lonely()
    persist(record)
    record.persist_again()
    assert record.domain_persist_state == PersistState.PENDING
    assert list(ServiceCallRecord.objects.pending_persistence()) == [record]


def test_the_handler_of_core_takes_what_the_namespace_does_not():
    persist(shared(one_message))
    assert PersistedChunk.objects.get().handler_identity == str(SharedPersistence.identity)
    assert PersistedChunk.objects.get().namespace == "seedapp"


def test_the_response_brings_its_related_object_along():
    simulation = Simulation.objects.create(sim_patient_full_name="Ada")

    async def write_for(handler, response):
        assert response.simulation == response.related_object == simulation
        return await Message.objects.acreate(role="assistant", simulation=response.simulation)

    assert persist(async_note(write_for, related_object=simulation)) is Outcome.PERSISTED
    assert Message.objects.get().simulation == simulation


def test_a_related_object_that_is_gone_is_none():
    simulation = Simulation.objects.create(sim_patient_full_name="Ada")
    record = note(lambda handler, response: Message.objects.create(role=str(response.related_object)))
    record.related_object = simulation
    record.save()
    simulation.delete()
    persist(record)
    assert Message.objects.get().role == "None"


def test_only_pending_due_results_are_taken():
    for state in (PersistState.NONE, PersistState.PERSISTED, PersistState.SKIPPED, PersistState.DEAD):
        record = note(one_message, domain_persist_state=state)
        assert persist(record) is Outcome.NOT_DUE
    assert not Message.objects.exists()


def test_the_drain_joins_the_callers_transaction():
    record = note(one_message)
    try:
        with transaction.atomic():
            persist(record)
            raise KeyError
    except KeyError:
        record.refresh_from_db()
    assert record.domain_persist_state == PersistState.PENDING
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()
