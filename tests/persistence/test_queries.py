"""What one record costs, in queries: a drain must not grow slower unnoticed."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.models import ServiceCallRecord
from persistence.drain import Outcome, drain_batch, drain_call
from persistence.testing import persist
from tests.persistence.results import async_note, digest, lonely, note, nothing
from tests.seedapp.models import Message, Simulation

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

TRANSACTION = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")


def write(handler, response):
    return Message.objects.create(role="assistant")


async def write_async(handler, response):
    chunk, _ = await handler.ensure_idempotent(response)
    message = await Message.objects.acreate(role="assistant")
    handler.link(chunk, message)
    return message


def keep(response, parsed):
    return {"id": Message.objects.create(role="assistant").pk}


def queries_of(record: ServiceCallRecord) -> list[str]:
    """The statements of one drain as `VERB table`, without the first, which reads a hundred records, and without
    those of the transaction."""
    with CaptureQueriesContext(connection) as captured:
        assert drain_call(record.pk) in {Outcome.PERSISTED, Outcome.SKIPPED}
    return shortened(captured)[1:]


def shortened(captured: CaptureQueriesContext) -> list[str]:
    statements = [query["sql"].replace('"', "") for query in captured]
    return [_short(sql) for sql in statements if not sql.startswith(TRANSACTION)]


def _short(sql: str) -> str:
    verb, marker = {"SELECT": ("SELECT", " FROM "), "INSERT": ("INSERT", " INTO "), "UPDATE": ("UPDATE", "UPDATE ")}[
        sql.split()[0]
    ]
    return f"{verb} {sql.split(marker, 1)[1].split()[0]}"


PERSISTING = [
    "SELECT service_call_record",
    "INSERT persisted_chunk",
    "INSERT seedapp_message",
    "UPDATE persisted_chunk",
    "INSERT persisted_object",
    "UPDATE service_call_record",
]


@pytest.fixture(autouse=True)
def warm():
    """Content types are looked up once per process."""
    persist(note(write))


@pytest.mark.parametrize(
    "make",
    [lambda: note(write), lambda: async_note(write_async), lambda: digest(keep)],
    ids=["plain", "async", "codec"],
)
def test_a_record_costs_five_queries_beside_its_own_rows(make):
    assert queries_of(make()) == PERSISTING


def test_a_related_object_costs_one_more():
    simulation = Simulation.objects.create(sim_patient_full_name="Ada")
    first, second, *rest = queries_of(note(write, related_object=simulation))
    assert [first, second] == ["SELECT service_call_record", "SELECT seedapp_simulation"]
    assert rest == PERSISTING[1:]


def test_a_record_without_rows_costs_three():
    assert queries_of(note(nothing)) == [PERSISTING[0], PERSISTING[1], PERSISTING[-1]]


def test_a_skipped_record_costs_two():
    assert queries_of(lonely()) == [PERSISTING[0], PERSISTING[-1]]


def test_a_record_that_is_not_due_any_more_costs_one():
    record = note(write)
    persist(record)
    with CaptureQueriesContext(connection) as captured:
        assert drain_call(record.pk) is Outcome.NOT_DUE
    assert shortened(captured)[1:] == PERSISTING[:1]


def test_a_batch_costs_two_queries_to_find_and_read_its_records():
    for _ in range(4):
        note(write)
    with CaptureQueriesContext(connection) as captured:
        assert drain_batch().processed == 4
    assert shortened(captured) == [*["SELECT service_call_record"] * 2, *PERSISTING * 4]
