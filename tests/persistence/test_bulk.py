"""Bulk replays: frozen, sampled, steered, and never twice."""

import asyncio
from collections import Counter
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from orchestration.models import ServiceCallRecord
from persistence.bulk import abort, freeze, pause, progress, sample, select, start, wake_forgotten
from persistence.bulk_rows import TROUBLES, Trouble
from persistence.bulk_work import work
from persistence.errors import BulkRefused
from persistence.models import BulkItem, BulkKind, BulkRun, BulkState, PersistedChunk
from persistence.replay import Policy, Replayed
from persistence.testing import persist
from tests.persistence.results import async_note, note
from tests.persistence.test_queries import persisting, shortened
from tests.persistence.test_replay import memo, one_message
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def memos(count=4):
    return [memo(str(n), 1 + n % 2) for n in range(count)]


def test_the_list_is_frozen_and_a_sample_changes_nothing():
    records = memos()
    run = freeze(BulkKind.PERSIST, {"state": "pending"})
    memo("late")
    assert (run.total, run.state) == (4, BulkState.DRAFT)
    reports = sample(run, 2)
    assert [r.call_id for r in reports] == [r.pk for r in records[:2]]
    assert all(r.counts == {"created": 1} for r in reports) and not Message.objects.exists()


def test_what_the_sample_said_is_what_the_run_does_and_the_second_run_changes_nothing():
    memos()
    run = freeze(BulkKind.PERSIST, {})
    predicted = {r.call_id: r.counts for r in sample(run)}
    start(run)
    assert work(run.pk) == 4
    assert progress(run) == {"state": "done", "total": 4, "done": 4, "outcomes": {"persisted": 4}}
    assert {i.call_id: i.counts for i in run.items.all()} == predicted
    for policy, outcome in ((Policy.KEEP, "kept"), (Policy.UPDATE, "unchanged")):
        again = freeze(BulkKind.PERSIST, {"state": "persisted"}, policy=policy)
        start(again)
        work(again.pk)
        assert progress(again)["outcomes"] == {outcome: 4}
    assert Message.objects.count() == 4


def test_a_paused_run_stops_and_goes_on_where_it_was():
    memos()
    run = freeze(BulkKind.PERSIST, {})
    start(run)
    pause(run)
    assert work(run.pk) == 0 and not Message.objects.exists()
    start(run)
    assert work(run.pk) == 4


def test_an_abort_in_the_middle_stops_the_worker(settings, monkeypatch):
    monkeypatch.setattr("persistence.bulk_work.LOOK_SECONDS", 0)
    aborting = []

    def stop_it(handler, response):
        abort(aborting[0])
        return one_message(handler, response)

    records = [note(one_message), note(stop_it), note(one_message)]
    run = freeze(BulkKind.PERSIST, {})
    aborting.append(run)
    start(run)
    assert work(run.pk) == 2
    run.refresh_from_db()
    assert run.state == BulkState.ABORTED and run.items.filter(outcome="").get().call_id == records[2].pk
    with pytest.raises(BulkRefused, match="is aborted"):
        start(run)


def test_an_abort_is_heeded_within_two_seconds_of_work_however_long_the_list(monkeypatch):
    clock, aborted = [0.0], []
    monkeypatch.setattr("persistence.bulk_work.time", SimpleNamespace(monotonic=lambda: clock[0]))

    def takes_a_while(handler, response):
        clock[0] += 0.2
        if clock[0] > 1 and not aborted:
            abort(run)
            aborted.append(clock[0])
        return one_message(handler, response)

    for _ in range(30):
        note(takes_a_while)
    run = freeze(BulkKind.PERSIST, {})
    start(run)
    assert 5 < work(run.pk) < 30
    assert clock[0] - aborted[0] < 2


def test_a_worker_that_was_killed_is_replaced_and_nothing_is_done_twice():
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
    run = freeze(BulkKind.PERSIST, {})
    start(run)
    with pytest.raises(Killed):
        work(run.pk)
    assert Message.objects.count() == 1
    assert work(run.pk) == 0, "the lease is still held"
    BulkRun.objects.update(leased_until="2020-01-01T00:00:00Z")
    wake_forgotten()
    assert work(run.pk) == 2
    assert Message.objects.count() == 3 and progress(run)["state"] == "done"


def test_each_item_says_what_became_of_it():
    def broken(handler, response):
        raise ValueError

    note(one_message), note(broken)
    purged, gone = note(one_message), note(one_message)
    run = freeze(BulkKind.PERSIST, {})
    ServiceCallRecord.objects.filter(pk=purged.pk).update(result=None)
    gone.delete()
    start(run)
    work(run.pk)
    outcomes = list(run.items.order_by("pk").values_list("outcome", flat=True))
    assert outcomes == [Replayed.PERSISTED, *TROUBLES] == [Replayed.PERSISTED, *Trouble]
    errors = list(run.items.filter(outcome__in=TROUBLES).order_by("pk").values_list("error", flat=True))
    for said, error in zip(("ValueError", "was purged", "not there any more"), errors, strict=True):
        assert said in error
    assert {*Replayed} & {*Trouble} == {Replayed.FAILED, Replayed.REFUSED}, "the words of a replay are these, too"


def test_a_bulk_revert_takes_all_back():
    for record in memos():
        persist(record)
    run = freeze(BulkKind.REVERT, {"state": "persisted"})
    start(run)
    work(run.pk)
    assert not Message.objects.exists() and progress(run)["outcomes"] == {"reverted": 4}


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
    run = freeze(BulkKind.PERSIST, {})
    start(run)
    assert work(run.pk) == 3
    assert list(run.items.order_by("pk").values_list("outcome", flat=True)) == ["persisted", "failed", "persisted"]
    assert "IntegrityError" in run.items.get(outcome="failed").error
    assert Message.objects.count() == 2 and progress(run)["state"] == "done"


def test_of_an_item_that_another_worker_has_done_meanwhile_nothing_stays():
    def done_by_another(handler, response):
        run.items.filter(call_id=second.pk).update(outcome="persisted")
        return one_message(handler, response)

    first, second = note(done_by_another), note(one_message)
    run = freeze(BulkKind.PERSIST, {})
    start(run)
    assert work(run.pk) == 1
    assert PersistedChunk.objects.get().call_id == first.pk and Message.objects.count() == 1


def test_a_call_that_changed_since_it_was_read_ahead_is_done_as_it_is_now():
    def purges_the_next(handler, response):
        ServiceCallRecord.objects.filter(pk=second.pk).update(result=None)
        return one_message(handler, response)

    first, second = note(purges_the_next), note(one_message)
    run = freeze(BulkKind.PERSIST, {})
    start(run)
    work(run.pk)
    outcomes = dict(run.items.values_list("call_id", "outcome"))
    assert outcomes == {first.pk: Replayed.PERSISTED, second.pk: Replayed.REFUSED}
    assert "was purged" in run.items.get(call_id=second.pk).error


@pytest.mark.parametrize("kind", [BulkKind.PERSIST, BulkKind.PREVIEW])
def test_asynchronous_handlers_share_an_event_loop_and_the_connection(kind):
    loops = []

    async def told(handler, response):
        loops.append(asyncio.get_running_loop())
        return await Message.objects.acreate(role="assistant")

    async def broken(handler, response):
        loops.append(asyncio.get_running_loop())
        raise ValueError

    async_note(told), note(one_message), async_note(broken), async_note(told)
    run = freeze(kind, {})
    start(run)
    assert work(run.pk) == 4
    assert progress(run)["outcomes"] == {"persisted": 3, "failed": 1}
    assert Message.objects.count() == (3 if kind is BulkKind.PERSIST else 0)
    assert len(loops) == 3 and len(set(loops)) == 1


@pytest.mark.postgres_only
def test_an_item_is_found_by_its_key_however_many_are_open():
    """With statistics older than the list the planner took the index of open items, and read all of it for each."""
    done, todo = BulkRun.objects.create(kind=BulkKind.PERSIST), BulkRun.objects.create(kind=BulkKind.PERSIST)
    BulkItem.objects.bulk_create([BulkItem(run=done, call_id=str(n), outcome="persisted") for n in range(5000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE persistence_bulk_item")
    items = BulkItem.objects.bulk_create([BulkItem(run=todo, call_id=str(n)) for n in range(5000)])
    with CaptureQueriesContext(connection) as captured:
        assert BulkItem.objects.close(items[9], outcome="persisted", counts={}, error="")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {captured[0]['sql']}")
        plan = "\n".join(row for (row,) in cursor.fetchall())
    assert "persistence_bulk_item_pkey" in plan and "bulk_item_open" not in plan


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres_only
@pytest.mark.parametrize(("kind", "waits"), [(BulkKind.PERSIST, "on"), (BulkKind.PREVIEW, "off")])
def test_only_a_dry_run_does_not_wait_for_the_disk_and_only_for_its_transaction(kind, waits):
    note(one_message)
    run = freeze(kind, {})
    with transaction.atomic():
        start(run)
        assert work(run.pk) == 1
        assert synchronous_commit() == waits
    assert synchronous_commit() == "on"


def synchronous_commit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()[0]


def statements_of(kind: BulkKind, items: int) -> Counter[str]:
    ServiceCallRecord.objects.all().delete()
    for _ in range(items):
        note(one_message)
    run = freeze(kind, {"state": "pending"})
    start(run)
    with CaptureQueriesContext(connection) as captured:
        assert work(run.pk) == items
    return Counter(shortened(captured))


@pytest.mark.postgres_only
def test_calls_are_read_a_hundred_at_a_time_and_then_only_asked_whether_they_changed():
    for _ in range(4):
        note(one_message)
    run = freeze(BulkKind.PERSIST, {"state": "pending"})
    start(run)
    with CaptureQueriesContext(connection) as captured:
        assert work(run.pk) == 4
    reading = [query["sql"] for query in captured if _reads_calls(query["sql"])]
    assert ["service_kwargs" in sql for sql in reading] == [True, False, False, False, False]
    assert all(sql.startswith("SELECT xmin::text FROM") for sql in reading[1:])


def _reads_calls(sql: str) -> bool:
    return sql.startswith("SELECT") and "service_call_record" in sql


@pytest.mark.parametrize("kind", [BulkKind.PERSIST, BulkKind.PREVIEW])
def test_an_item_costs_two_statements_beside_those_of_the_drain(kind, monkeypatch):
    """Its call and its result; in a dry run also the check that the commit would be, and the way back."""
    monkeypatch.setattr("persistence.bulk_work.LOOK_SECONDS", 1000)
    persist(note(one_message))  # content types are looked up once
    expected = ["SELECT service_call_record", *persisting(), "UPDATE persistence_bulk_item"]
    if kind is BulkKind.PREVIEW:
        expected += ["", ""]
    assert statements_of(kind, 4) - statements_of(kind, 1) == Counter(expected * 3)
