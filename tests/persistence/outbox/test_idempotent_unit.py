"""The chunk is what makes a result persisted once, however it is reached."""

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.errors import InvalidLink, LinkInAsyncCode
from persistence.handlers.base import chunk_of
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.testing import persist
from tests.persistence.results import async_note, digest, note
from tests.seedapp.models import Attachment, Message
from tests.seedapp.orca.persist.behaviours import AsyncNotePersistence, NotePersistence

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def guarded(handler, response):
    chunk, created = handler.ensure_idempotent_now(response)
    if not created and chunk.domain_object:
        return chunk.domain_object
    message = Message.objects.create(role="assistant")
    handler.link(chunk, message, Attachment.objects.create(message=message, kind="image"))
    return message


async def guarded_async(handler, response):
    chunk, created = await handler.ensure_idempotent(response)
    if not created and chunk.domain_object:
        return chunk.domain_object
    message = await Message.objects.acreate(role="assistant")
    attachment = await Attachment.objects.acreate(message=message, kind="image")
    await handler.alink(chunk, message, attachment)
    return message


async def guarded_with_plain_link(handler, response):
    chunk, _ = await handler.ensure_idempotent(response)
    message = await Message.objects.acreate(role="assistant")
    handler.link(chunk, message)
    return message


def pending_again(record):
    ServiceCallRecord.objects.filter(pk=record.pk).update(
        domain_persist_state=PersistState.PENDING, next_persist_at=record.finished_at
    )


MAKERS = [
    lambda: note(guarded),
    lambda: async_note(guarded_async),
    lambda: async_note(guarded_with_plain_link),
    lambda: digest(lambda response, parsed: {"id": Message.objects.create(role="assistant").pk}),
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_result_whose_chunk_is_there_is_not_persisted_again(make):
    record = make()
    persist(record)
    pending_again(record)
    assert persist(record) is Outcome.PERSISTED
    assert record.domain_persisted
    assert Message.objects.count() == PersistedChunk.objects.count() == 1


@pytest.mark.parametrize("make", MAKERS[:2])
def test_the_handler_gets_the_chunk_of_the_drains_transaction(make):
    persist(make())
    chunk = PersistedChunk.objects.get()
    assert chunk.domain_object == Message.objects.get()
    rows = [(row.role, row.action, row.content_type.model) for row in chunk.objects_touched.all()]
    assert rows == [
        (ObjectRole.PRIMARY, ObjectAction.CREATED, "message"),
        (ObjectRole.RELATED, ObjectAction.CREATED, "attachment"),
    ]


def test_the_key_is_the_correlation_when_there_is_no_call():
    response = note(guarded).response()
    response.call_id = None
    chunk, created = NotePersistence().ensure_idempotent_now(response)
    assert created
    assert chunk.call_id == str(response.correlation_id)


def test_calls_and_schemas_have_chunks_of_their_own():
    one, two, other = note(guarded), note(guarded), async_note(guarded_async)
    for record in (one, two, other):
        persist(record)
    keys = set(PersistedChunk.objects.values_list("call_id", "schema_identity"))
    assert keys == {(record.pk, record.schema_identity) for record in (one, two, other)}


def test_a_result_that_names_another_call_is_that_of_its_own_row():
    """A copied row, or one that was moved between databases, was taken for persisted before."""
    first, copied = note(guarded), note(guarded)
    copied.result["call_id"] = first.pk
    copied.save(update_fields=["result"])
    assert [persist(record) for record in (first, copied)] == [Outcome.PERSISTED] * 2
    assert Message.objects.count() == 2
    assert {chunk.call_id for chunk in PersistedChunk.objects.all()} == {first.pk, copied.pk}


def test_outside_the_drain_the_second_caller_finds_the_chunk():
    """The first one creates it."""
    response = note(guarded).response()
    first, created = NotePersistence().ensure_idempotent_now(response)
    second, again = NotePersistence().ensure_idempotent_now(response)
    assert (created, again) == (True, False)
    assert first == second


def test_outside_the_drain_a_handler_persists_once():
    """The drain knows that it has."""
    record = note(guarded)
    with transaction.atomic():
        made = NotePersistence().persist(record.response())
        assert NotePersistence().persist(record.response()) == made
    assert persist(record) is Outcome.PERSISTED
    assert Message.objects.get() == made
    assert PersistedObject.objects.count() == 2


def test_outside_the_drain_an_asynchronous_handler_persists_once():
    record = async_note(guarded_async)
    response = record.response()

    async def twice():
        return [await AsyncNotePersistence().persist(response) for _ in range(2)]

    made, again = async_to_sync(twice)()
    assert made == again == Message.objects.get()
    assert PersistedChunk.objects.get().domain_object == made


def test_a_chunk_opened_outside_and_left_empty_loses_no_result():
    record = note(guarded)
    NotePersistence().ensure_idempotent_now(record.response())
    assert persist(record) is Outcome.PERSISTED
    chunk = PersistedChunk.objects.get()
    assert chunk.domain_object == Message.objects.get()
    assert chunk.handler_fingerprint == NotePersistence.fingerprint


def test_plain_link_in_async_code_names_the_way_out():
    """This is outside the drain."""
    response = async_note(guarded_with_plain_link).response()
    with pytest.raises(LinkInAsyncCode, match=r"await self\.alink"):
        async_to_sync(AsyncNotePersistence().persist)(response)


def test_the_existing_object_can_be_read_in_async_code():
    response = note(guarded).response()
    NotePersistence().persist(response)

    async def look():
        chunk, created = await NotePersistence().ensure_idempotent(response)
        return chunk.domain_object, created

    assert async_to_sync(look)() == (Message.objects.get(), False)


def test_only_saved_objects_can_be_linked():
    record = note(lambda handler, response: handler.link(handler.ensure_idempotent_now(response)[0], Message()))
    assert persist(record) is Outcome.FAILED
    assert "InvalidLink: link() got an unsaved Message as object 0" in record.domain_persist_error
    with pytest.raises(InvalidLink, match="got a dict as object 1"):
        NotePersistence().link(chunk_of(record.response(), handler_identity=""), Message.objects.create(), {})


def test_the_first_link_names_the_primary_object():
    """What the handler returns does not change that."""

    def link_two(handler, response):
        chunk, _ = handler.ensure_idempotent_now(response)
        attachment = Attachment.objects.create(kind="image")
        message = Message.objects.create(role="assistant")
        handler.link(chunk, attachment)
        handler.link(chunk, message)
        return message

    persist(note(link_two))
    assert PersistedChunk.objects.get().domain_object == Attachment.objects.get()
    roles = PersistedObject.objects.values_list("content_type__model", "role")
    assert set(roles) == {("attachment", ObjectRole.PRIMARY), ("message", ObjectRole.RELATED)}


def test_a_bulk_created_object_counts_as_created_by_its_link(told, on_commit):
    def in_bulk(handler, response):
        chunk, _ = handler.ensure_idempotent_now(response)
        rows = Message.objects.bulk_create([Message(role="one"), Message(role="two")])
        handler.link(chunk, *rows, created=True)
        return rows

    with on_commit():
        persist(note(in_bulk))
    assert set(PersistedObject.objects.values_list("action", flat=True)) == {ObjectAction.CREATED}
    assert told.created[0]["instance"] == Message.objects.get(role="one")


def test_a_second_link_outside_the_drain_keeps_the_primary():
    chunk, _ = NotePersistence().ensure_idempotent_now(note(guarded).response())
    first, second = Message.objects.create(role="first"), Message.objects.create(role="second")
    NotePersistence().link(chunk, first)
    NotePersistence().link(chunk, second)
    assert PersistedChunk.objects.get().domain_object == first
    roles = {row.domain_object.role: row.role for row in PersistedObject.objects.all()}
    assert roles == {"first": ObjectRole.PRIMARY, "second": ObjectRole.RELATED}


async def _chunk_by_hand(handler, response):
    chunk, _ = await handler.ensure_idempotent(response)
    message = await Message.objects.acreate(role="assistant")
    await sync_to_async(handler.link)(chunk, message)


def test_a_handler_that_only_links_has_a_primary_object():
    persist(async_note(_chunk_by_hand))
    assert PersistedChunk.objects.get().domain_object == Message.objects.get()
