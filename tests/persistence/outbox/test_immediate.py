"""A caller who waits finds the rows: the handler runs on the thread that holds the connection, whoever is above it."""

import asyncio

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.models import PersistedChunk
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import CONDUCT, GenerateAsyncNote, GenerateNote

pytestmark = [pytest.mark.postgres]


def write(handler, response):
    return Message.objects.create(role="assistant")


async def write_async(handler, response):
    await asyncio.sleep(0)
    return await Message.objects.acreate(role="assistant")


async def half_way_async(handler, response):
    await Message.objects.acreate(role="assistant")
    raise ValueError


def service_that(conduct, *, asynchronous=True):
    CONDUCT[conduct.__qualname__] = conduct
    service = GenerateAsyncNote if asynchronous else GenerateNote
    return service.using(context={"does": conduct.__qualname__})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("conduct", "asynchronous"), [(write, False), (write_async, True)])
def test_execute_returns_when_the_rows_are_there(conduct, asynchronous, told):
    response = async_to_sync(service_that(conduct, asynchronous=asynchronous).execute)()
    record = ServiceCallRecord.objects.get(pk=response.call_id)
    assert record.domain_persisted, record.domain_persist_error
    assert PersistedChunk.objects.get().domain_object == Message.objects.get()
    assert len(told.created) == len(told.ready) == 1


async def execute_and_close(service):
    """asgiref keeps the thread of the ORM, and with it the connection, until it is told to let go."""
    try:
        return await service.execute()
    finally:
        await sync_to_async(connections.close_all)()


@pytest.mark.django_db(transaction=True)
def test_execute_in_a_loop_keeps_handler_and_chunk_together():
    """The handler writes in the transaction of its chunk."""
    response = asyncio.run(execute_and_close(service_that(half_way_async)))
    record = ServiceCallRecord.objects.get(pk=response.call_id)
    assert record.domain_persist_state == PersistState.PENDING
    assert record.domain_persist_error.startswith("ValueError:")
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_execute_in_a_transaction_commits_or_vanishes_with_it(told):
    with transaction.atomic():
        async_to_sync(service_that(write_async).execute)()
        assert Message.objects.count() == 1
        assert told.ready == []
        transaction.set_rollback(True)
    assert not Message.objects.exists()
    assert not ServiceCallRecord.objects.exists()
    assert told.ready == []
