"""Several drains at once: each result becomes its rows once, whoever gets there first."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections

from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.models import PersistedChunk, PersistedObject
from persistence.outbox.drain import drain_batch, drain_call
from persistence.outbox.outbox_row import OutboxRow
from persistence.outbox.outcomes import Outcome
from tests.persistence.results import async_note, digest, note
from tests.seedapp.models import Attachment, Message, Tally

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

RESULTS = 40


def together(*works: Callable[[], object]) -> list[object]:
    """Run these in threads that start at the same moment, each with its own connection; returns what they returned."""
    start = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def run(index: int, work: Callable[[], object]) -> None:
        try:
            start.wait()
            results[index] = work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def write(handler, response):
    message = Message.objects.create(role=response.call_id)
    return [message, Attachment.objects.create(message=message, kind="image")]


async def write_async(handler, response):
    message = await Message.objects.acreate(role=response.call_id)
    return [message, await Attachment.objects.acreate(message=message, kind="image")]


def summarize(response, parsed):
    message = Message.objects.create(role=response.call_id)
    return {"attachment": str(Attachment.objects.create(message=message, kind="image").pk)}


@pytest.mark.parametrize(("make", "conduct"), [(note, write), (async_note, write_async), (digest, summarize)])
def test_several_drains_at_once_persist_each_result_once(make, conduct, told):
    for _ in range(RESULTS):
        make(conduct)

    def drain_all() -> int:
        persisted = 0
        while ServiceCallRecord.objects.pending_persistence().exists():
            persisted += drain_batch().processed
        return persisted

    counts = together(drain_all, drain_all, drain_all)
    assert sum(counts) == RESULTS
    assert Message.objects.count() == Attachment.objects.count() == PersistedChunk.objects.count() == RESULTS
    assert PersistedObject.objects.count() == 2 * RESULTS
    assert len(told.ready) == RESULTS
    assert set(ServiceCallRecord.objects.values_list("domain_persist_state", flat=True)) == {PersistState.PERSISTED}


@pytest.mark.parametrize("round_number", range(5))
def test_several_workers_at_one_result_persist_it_once(round_number, told):
    record = note(write_tally)
    outcomes = together(*[lambda: drain_call(record.pk)] * 4)
    assert sorted(outcomes) == sorted([Outcome.PERSISTED, *[Outcome.NOT_DUE] * 3])
    assert Tally.objects.get().count == 1
    assert len(told.ready) == 1


def write_tally(handler, response):
    row, _ = Tally.objects.get_or_create(key=response.call_id)
    row.count += 1
    row.save()
    return row


@pytest.mark.postgres_only
def test_a_result_in_other_hands_is_passed_over_without_waiting():
    entered, leave = threading.Event(), threading.Event()

    def wait(handler, response):
        entered.set()
        assert leave.wait(20)

    slow, quick = note(wait, priority=1), note(write_tally)

    def pass_over() -> dict[str, Outcome]:
        assert entered.wait(20)
        outcomes = {record.pk: drain_call(record.pk) for record in (slow, quick)}
        leave.set()
        return outcomes

    held, passed = together(lambda: drain_call(slow.pk), pass_over)
    assert held is Outcome.PERSISTED
    assert passed == {slow.pk: Outcome.NOT_DUE, quick.pk: Outcome.PERSISTED}


@pytest.mark.postgres_only
def test_a_row_may_refer_to_a_call_while_its_result_is_persisted():
    """The drain's lock must not stop others from inserting rows with a foreign key to the call."""
    entered, leave = threading.Event(), threading.Event()

    def wait(handler, response):
        entered.set()
        assert leave.wait(20)

    record = note(wait)

    def refer() -> None:
        assert entered.wait(20)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            ServiceCallRecord.objects.create(
                service_identity=record.service_identity, namespace=record.namespace, parent_id=record.pk
            )
        finally:
            leave.set()

    together(lambda: drain_call(record.pk), refer)
    assert record.reruns.count() == 1


def test_a_failure_is_charged_once_when_another_drain_was_faster():
    """Between the rollback and the charge the row is free: the charge must notice what happened meanwhile."""
    record = note(fail)
    stale = ServiceCallRecord.objects.get(pk=record.pk)
    assert drain_call(record.pk) is Outcome.FAILED
    with pytest.raises(TransitionRefused, match="cannot become pending"):
        OutboxRow(stale).mark_failed("late", next_at=record.next_persist_at)
    record.refresh_from_db()
    assert record.domain_persist_attempts == 1
    assert record.domain_persist_error.startswith("ValueError:")


def fail(handler, response):
    raise ValueError


def test_a_failing_result_among_many_leaves_none_of_its_rows():
    def write_then_fail(handler, response):
        write(handler, response)
        raise ValueError

    for _ in range(10):
        note(write)
        note(write_then_fail)
    together(drain_batch, drain_batch)
    together(drain_batch, drain_batch)
    assert Message.objects.count() == Attachment.objects.count() == PersistedChunk.objects.count() == 10
    failed = ServiceCallRecord.objects.in_persist_state(PersistState.PENDING)
    assert set(failed.values_list("domain_persist_attempts", flat=True)) == {1}
    assert failed.count() == 10
