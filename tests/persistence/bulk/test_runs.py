"""Bulk runs: frozen, sampled, steered, and never twice."""

import asyncio
from collections import Counter
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from orchestration.models import ServiceCallRecord
from orchestration.operations import Operation
from persistence.bulk.runs import abort, freeze, pause, progress, select, start, wake_forgotten
from persistence.bulk.worker import work
from persistence.errors import BulkRefused
from persistence.models import BulkItem, BulkRun, BulkState, PersistedChunk
from persistence.models.bulk import TROUBLES, Trouble
from persistence.operations import DRY_RUN, REPROCESS, REVERT
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run
from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import memo, one_message
from tests.persistence.results import async_note, note
from tests.persistence.statements import ITEM, LOCK, persisting, steps_of
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def memos(count=4):
    return [memo(str(n), 1 + n % 2) for n in range(count)]


def test_the_list_is_frozen():
    memos()
    run = freeze(REPROCESS, {"state": "pending"})
    memo("late")
    assert (run.total, run.state) == (4, BulkState.DRAFT)
    assert not Message.objects.exists()


def test_a_run_does_what_dry_runs_said_and_then_nothing():
    """The second run changes nothing."""
    memos()
    run = freeze(REPROCESS, {})
    predicted = {r.call_id: r.counts for r in map(dry_run, run.items.values_list("call_id", flat=True))}
    start(run)
    assert work(run.pk) == 4
    assert progress(run) == {"state": "done", "total": 4, "done": 4, "outcomes": {"persisted": 4}}
    assert {i.call_id: i.counts for i in run.items.all()} == predicted
    for policy, outcome in ((Policy.KEEP, "kept"), (Policy.UPDATE, "unchanged")):
        again = freeze(REPROCESS, {"state": "persisted"}, policy=policy)
        start(again)
        work(again.pk)
        assert progress(again)["outcomes"] == {outcome: 4}
    assert Message.objects.count() == 4


def test_a_paused_run_stops_and_continues_where_it_was():
    memos()
    run = freeze(REPROCESS, {})
    start(run)
    pause(run)
    assert work(run.pk) == 0
    assert not Message.objects.exists()
    start(run)
    assert work(run.pk) == 4


def test_an_abort_in_the_middle_stops_the_worker(settings, monkeypatch):
    monkeypatch.setattr("persistence.bulk.lease.RENEW_SECONDS", 0)
    aborting = []

    def stop_it(handler, response):
        abort(aborting[0])
        return one_message(handler, response)

    records = [note(one_message), note(stop_it), note(one_message)]
    run = freeze(REPROCESS, {})
    aborting.append(run)
    start(run)
    assert work(run.pk) == 2
    run.refresh_from_db()
    assert run.state == BulkState.ABORTED
    assert run.items.filter(outcome="").get().call_id == records[2].pk
    with pytest.raises(BulkRefused, match="is aborted"):
        start(run)


def test_an_abort_takes_effect_within_two_seconds_of_work(monkeypatch):
    """The length of the list does not matter."""
    clock, aborted = [0.0], []
    monkeypatch.setattr("persistence.bulk.lease.time", SimpleNamespace(monotonic=lambda: clock[0]))

    def takes_a_while(handler, response):
        clock[0] += 0.2
        if clock[0] > 1 and not aborted:
            abort(run)
            aborted.append(clock[0])
        return one_message(handler, response)

    for _ in range(30):
        note(takes_a_while)
    run = freeze(REPROCESS, {})
    start(run)
    assert 5 < work(run.pk) < 30
    assert clock[0] - aborted[0] < 2


def test_a_killed_worker_is_replaced_and_nothing_is_done_twice():
    struck = []

    class Killed(BaseException):
        pass

    def once_deadly(handler, response):
        message = one_message(handler, response)
        if not struck:
            struck.append(message)
            raise Killed
        return message

    note(one_message), note(once_deadly), note(one_message)
    run = freeze(REPROCESS, {})
    start(run)
    with pytest.raises(Killed):
        work(run.pk)
    assert Message.objects.count() == 1
    assert work(run.pk) == 0, "the lease is still held"
    BulkRun.objects.update(leased_until="2020-01-01T00:00:00Z")
    wake_forgotten()
    assert work(run.pk) == 2
    assert Message.objects.count() == 3
    assert progress(run)["state"] == "done"


def test_each_item_says_what_became_of_it():
    def broken(handler, response):
        raise ValueError

    note(one_message), note(broken)
    purged, gone = note(one_message), note(one_message)
    run = freeze(REPROCESS, {})
    ServiceCallRecord.objects.filter(pk=purged.pk).update(result=None)
    gone.delete()
    start(run)
    work(run.pk)
    outcomes = list(run.items.order_by("pk").values_list("outcome", flat=True))
    assert outcomes == [ReprocessOutcome.PERSISTED, *TROUBLES] == [ReprocessOutcome.PERSISTED, *Trouble]
    errors = list(run.items.filter(outcome__in=TROUBLES).order_by("pk").values_list("error", flat=True))
    for said, error in zip(("ValueError", "was purged", "no longer exists"), errors, strict=True):
        assert said in error
    assert {*ReprocessOutcome} & {*Trouble} == {ReprocessOutcome.FAILED, ReprocessOutcome.REFUSED}, (
        "the words of reprocessing are these, too"
    )


def test_a_bulk_revert_takes_all_back():
    for record in memos():
        persist(record)
    run = freeze(REVERT, {"state": "persisted"})
    start(run)
    work(run.pk)
    assert not Message.objects.exists()
    assert progress(run)["outcomes"] == {"reverted": 4}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [({"colour": "red"}, "no filter"), ({"state": "x"}, "state is one of"), ({"since": "soon"}, "is a time")],
)
def test_a_filter_that_is_not_understood_says_so(wanted, says):
    with pytest.raises(BulkRefused, match=says):
        select(wanted)


def test_filters_narrow():
    memos()
    assert select({"schema_version": "1"}).count() == 2
    assert select({"until": "2020-01-01T00:00:00Z"}).count() == 0
    persist(memo("x"))
    assert select({"handler": "persist.seedapp.default.MemoPersistence"}).count() == 1
    assert select({"older_code": "yes"}).count() == 0


@pytest.mark.django_db(transaction=True)
def test_what_fails_only_at_the_commit_fails_its_item_alone():
    def dangling(handler, response):
        return Message.objects.create(role="lost", simulation_id=999_999)

    note(one_message), note(dangling), note(one_message)
    run = freeze(REPROCESS, {})
    start(run)
    assert work(run.pk) == 3
    assert list(run.items.order_by("pk").values_list("outcome", flat=True)) == ["persisted", "failed", "persisted"]
    assert "IntegrityError" in run.items.get(outcome="failed").error
    assert Message.objects.count() == 2
    assert progress(run)["state"] == "done"


def test_an_item_done_elsewhere_meanwhile_leaves_nothing():
    def done_by_another(handler, response):
        run.items.filter(call_id=second.pk).update(outcome="persisted")
        return one_message(handler, response)

    first, second = note(done_by_another), note(one_message)
    run = freeze(REPROCESS, {})
    start(run)
    assert work(run.pk) == 1
    assert PersistedChunk.objects.get().call_id == first.pk
    assert Message.objects.count() == 1


def test_a_call_that_changed_since_it_was_read_is_done_as_it_is():
    def purges_the_next(handler, response):
        ServiceCallRecord.objects.filter(pk=second.pk).update(result=None)
        return one_message(handler, response)

    first, second = note(purges_the_next), note(one_message)
    run = freeze(REPROCESS, {})
    start(run)
    work(run.pk)
    outcomes = dict(run.items.values_list("call_id", "outcome"))
    assert outcomes == {first.pk: ReprocessOutcome.PERSISTED, second.pk: ReprocessOutcome.REFUSED}
    assert "was purged" in run.items.get(call_id=second.pk).error


@pytest.mark.parametrize("operation", [REPROCESS, DRY_RUN])
def test_asynchronous_handlers_share_a_loop_and_the_connection(operation):
    loops = []

    async def told(handler, response):
        loops.append(asyncio.get_running_loop())
        return await Message.objects.acreate(role="assistant")

    async def broken(handler, response):
        loops.append(asyncio.get_running_loop())
        raise ValueError

    async_note(told), note(one_message), async_note(broken), async_note(told)
    run = freeze(operation, {})
    start(run)
    assert work(run.pk) == 4
    done = "persisted" if operation is REPROCESS else "would persist"
    assert progress(run)["outcomes"] == {done: 3, "failed": 1}
    assert Message.objects.count() == (3 if operation is REPROCESS else 0)
    assert len(loops) == 3
    assert len(set(loops)) == 1


@pytest.mark.postgres_only
def test_an_item_is_found_by_its_key_however_many_are_open():
    """With statistics older than the list the planner took the index of open items, and read all of it for each."""
    done, todo = BulkRun.objects.create(kind=REPROCESS.key), BulkRun.objects.create(kind=REPROCESS.key)
    BulkItem.objects.bulk_create([BulkItem(run=done, call_id=str(n), outcome="persisted") for n in range(5000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE persistence_bulk_item")
    items = BulkItem.objects.bulk_create([BulkItem(run=todo, call_id=str(n)) for n in range(5000)])
    with CaptureQueriesContext(connection) as captured:
        assert BulkItem.objects.close(items[9], outcome="persisted", counts={}, error="")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {captured[0]['sql']}")
        plan = "\n".join(row for (row,) in cursor.fetchall())
    assert "persistence_bulk_item_pkey" in plan
    assert "bulk_item_open" not in plan


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres_only
@pytest.mark.parametrize(("operation", "waits"), [(REPROCESS, "on"), (DRY_RUN, "off")])
def test_only_a_dry_run_commits_without_waiting_for_the_disk(operation, waits):
    """The setting holds for its transaction alone."""
    note(one_message)
    run = freeze(operation, {})
    with transaction.atomic():
        start(run)
        assert work(run.pk) == 1
        assert synchronous_commit() == waits
    assert synchronous_commit() == "on"


def synchronous_commit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()[0]


def statements_of(operation: Operation, items: int) -> Counter[str]:
    ServiceCallRecord.objects.all().delete()
    for _ in range(items):
        note(one_message)
    run = freeze(operation, {"state": "pending"})
    start(run)
    with CaptureQueriesContext(connection) as captured:
        assert work(run.pk) == items
    return Counter(steps_of(captured))


@pytest.mark.postgres_only
def test_calls_are_read_by_the_hundred_and_checked_for_changes():
    for _ in range(4):
        note(one_message)
    run = freeze(REPROCESS, {"state": "pending"})
    start(run)
    with CaptureQueriesContext(connection) as captured:
        assert work(run.pk) == 4
    reading = [query["sql"] for query in captured if _reads_calls(query["sql"])]
    assert ["service_kwargs" in sql for sql in reading] == [True, False, False, False, False]
    assert [sql for sql in reading[1:] if not sql.startswith("SELECT xmin::text FROM")] == []


def _reads_calls(sql: str) -> bool:
    return sql.startswith("SELECT") and "service_call_record" in sql


@pytest.mark.parametrize("operation", [REPROCESS, DRY_RUN])
def test_an_item_costs_two_statements_beside_those_of_the_drain(operation, monkeypatch):
    """Its call and its result; in a dry run also the check that the commit would be, and the way back."""
    monkeypatch.setattr("persistence.bulk.lease.RENEW_SECONDS", 1000)
    persist(note(one_message))  # content types are looked up once
    expected = [LOCK, *persisting(), ITEM]
    if operation is DRY_RUN:
        expected += ["", ""]
    assert statements_of(operation, 4) - statements_of(operation, 1) == Counter(expected * 3)
