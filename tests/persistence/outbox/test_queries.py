"""What one record costs, in queries: a drain must not grow slower unnoticed."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.models import ServiceCallRecord
from persistence.outbox import groups
from persistence.outbox.drain import drain_batch, drain_call
from persistence.outbox.outcomes import Outcome
from persistence.testing import persist
from tests.persistence.results import async_note, digest, lonely, note, nothing
from tests.persistence.statements import DOMAIN, LOCK, MARK, OPEN, RELATED, persisting, steps_of
from tests.seedapp.models import Message, Simulation

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def write(handler, response):
    return Message.objects.create(role="assistant")


async def write_async(handler, response):
    chunk, _ = await handler.ensure_idempotent(response)
    message = await Message.objects.acreate(role="assistant")
    handler.link(chunk, message)
    return message


def keep(response, parsed):
    return {"id": Message.objects.create(role="assistant").pk}


def several(handler, response):
    return [Message.objects.create(role="assistant") for _ in range(3)]


def queries_of(record: ServiceCallRecord) -> list[str]:
    """The steps of one drain, without its first statement, which reads a hundred records."""
    with CaptureQueriesContext(connection) as captured:
        assert drain_call(record.pk) in {Outcome.PERSISTED, Outcome.SKIPPED}
    return steps_of(captured)[1:]


@pytest.fixture(autouse=True)
def warm(monkeypatch):
    """Content types are looked up once per process; and a group is not ended early because the machine is slow."""
    monkeypatch.setattr(groups, "SECONDS", 60)
    persist(note(write))


@pytest.mark.parametrize(
    "make",
    [lambda: note(write), lambda: async_note(write_async), lambda: digest(keep)],
    ids=["plain", "async", "codec"],
)
def test_a_record_costs_two_round_trips_beside_its_own_rows(make):
    """Five statements on SQLite, where a statement is not a round trip."""
    assert queries_of(make()) == persisting()


def test_a_related_object_costs_one_more():
    simulation = Simulation.objects.create(sim_patient_full_name="Ada")
    expected = persisting()
    expected.insert(expected.index(DOMAIN), RELATED)
    assert queries_of(note(write, related_object=simulation)) == expected


def test_a_record_without_rows_costs_no_more():
    expected = [f"{LOCK} + {OPEN}"] if connection.vendor == "postgresql" else [LOCK, OPEN]
    assert queries_of(note(nothing)) == [*expected, MARK]


def test_a_skipped_record_costs_two():
    assert queries_of(lonely()) == [LOCK, MARK]


def test_a_record_that_is_no_longer_due_costs_one():
    record = note(write)
    persist(record)
    with CaptureQueriesContext(connection) as captured:
        assert drain_call(record.pk) is Outcome.NOT_DUE
    assert len(steps_of(captured)[1:]) == 1


def test_a_batch_costs_two_queries_to_find_and_read_its_records():
    for _ in range(4):
        note(write)
    with CaptureQueriesContext(connection) as captured:
        assert drain_batch().processed == 4
    assert steps_of(captured) == [*[LOCK] * 2, *persisting() * 4]


@pytest.mark.postgres_only
def test_a_record_is_found_by_its_key_however_many_are_pending():
    """Without statistics the planner took the index of pending results, and read all of it for each record."""
    for _ in range(150):
        note(nothing)
    with CaptureQueriesContext(connection) as captured:
        drain_call(note(write).pk)
    writes = [query["sql"] for query in captured if query["sql"].startswith(("WITH", "UPDATE"))]
    assert len(writes) == 2
    for sql in writes:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "call_pending" not in plan
        assert "Seq Scan on service_call_record" not in plan


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres_only
@pytest.mark.parametrize(("threshold", "kept"), [(1, {"persisted_chunk", "service_call_record"}), (None, set())])
def test_statements_of_each_record_are_planned_once(monkeypatch, threshold, kept):
    """With a pooler in between they are not."""
    connection.close()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "prepare_threshold", threshold)
    for make in (lambda: note(write), lambda: digest(keep), lambda: note(several), lambda: note(nothing)) * 4:
        assert drain_call(make().pk) is Outcome.PERSISTED
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        told = " ".join(statement for (statement,) in cursor.fetchall())
    assert {name for name in ("persisted_chunk", "service_call_record") if name in told} == kept
    assert "seedapp" not in told, "the ORM's plans depend on values"
    connection.close()
