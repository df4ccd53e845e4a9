"""Who gets which call, in which order."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.engine.queue.claim import Lease, claim, renew
from orchestration.models import ServiceCallRecord
from orchestration.models.ordering_keys import OrderingKey
from orchestration.models.states import PersistState
from tests.orchestration.factories import expired, failed, queued, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def keyed(key="chat:1", **fields):
    return queued(ordering_key=key, sequence=OrderingKey.take(key), **fields)


def ids(records):
    return [record.pk for record in records]


def test_a_claimed_call_runs_under_a_new_token_and_a_lease():
    record = queued(lease_token=4)
    (taken,) = claim(10, "w1")
    record.refresh_from_db()
    assert (record.status, record.lease_token, record.worker) == ("running", 5, "w1")
    assert record.lease_expires_at > timezone.now() + timedelta(seconds=8)
    assert (taken.status, taken.lease_token, taken.started_at) == ("running", 5, record.started_at)


def test_a_call_is_claimed_once():
    queued()
    assert len(claim(10, "w1")) == 1
    assert claim(10, "w2") == []


def test_the_most_urgent_and_then_the_oldest_come_first():
    later = queued(due_at=timezone.now() - timedelta(seconds=1))
    oldest = queued(due_at=timezone.now() - timedelta(seconds=9))
    urgent = queued(priority=5)
    assert ids(claim(2, "w1")) == ids([urgent, oldest])
    assert ids(claim(2, "w1")) == ids([later])


def test_a_planned_call_waits_for_its_time():
    queued(due_at=timezone.now() + timedelta(seconds=60))
    assert claim(10, "w1") == []


def test_nothing_is_claimed_into_no_place():
    queued()
    assert claim(0, "w1") == []


def test_calls_of_one_key_are_taken_one_at_a_time_in_their_order():
    first, second = keyed(), keyed()
    other = keyed("chat:2")
    assert sorted(ids(claim(10, "w1"))) == sorted(ids([first, other]))
    assert claim(10, "w1") == []
    ServiceCallRecord.objects.filter(pk=first.pk).update(status="succeeded", finished_at=timezone.now())
    assert ids(claim(10, "w1")) == ids([second])


def test_a_result_not_yet_persisted_holds_up_the_next_of_its_key():
    first, second = keyed(), keyed()
    rows = ServiceCallRecord.objects.filter(pk=first.pk)
    now = timezone.now()
    rows.update(status="succeeded", finished_at=now, domain_persist_state=PersistState.PENDING, next_persist_at=now)
    assert claim(10, "w1") == []
    rows.update(domain_persist_state=PersistState.PERSISTED)
    assert ids(claim(10, "w1")) == ids([second])


@pytest.mark.parametrize("policy, follows", [("skip", True), ("hold", False)])
def test_a_failed_predecessor_releases_or_holds_by_policy(policy, follows):
    failed(ordering_key="chat:1", sequence=OrderingKey.take("chat:1"), ordering_policy=policy)
    keyed()
    assert len(claim(10, "w1")) == follows


@pytest.mark.parametrize("policy, follows", [("skip", True), ("hold", False)])
def test_a_dead_predecessor_releases_or_holds_the_next_by_policy(policy, follows):
    keyed(ordering_policy=policy)
    ServiceCallRecord.objects.update(
        status="succeeded", finished_at=timezone.now(), domain_persist_state=PersistState.DEAD
    )
    keyed()
    assert len(claim(10, "w1")) == follows


def test_a_predecessor_waiting_for_its_retry_holds_up_the_next():
    keyed(due_at=timezone.now() + timedelta(seconds=30))
    keyed()
    assert claim(10, "w1") == []


def test_a_call_retried_late_does_not_run_beside_a_later_one():
    first = failed(ordering_key="chat:1", sequence=OrderingKey.take("chat:1"))
    second = keyed()
    assert ids(claim(10, "w1")) == ids([second])
    first.retry()
    assert claim(10, "w1") == []


def test_renewing_extends_own_leases_and_names_what_to_cancel():
    mine, asked, other = running(), running(), running(worker="w2")
    asked.cancel()
    before = other.lease_expires_at
    held, cancel, _ = renew("w1", [mine.pk, asked.pk, other.pk])
    assert held == {Lease(mine.pk, 1), Lease(asked.pk, 1)}
    assert cancel == {asked.pk}
    other.refresh_from_db()
    assert other.lease_expires_at == before


def test_an_expired_call_is_its_workers_own_until_rescued():
    record = expired()
    held, *_ = renew("w1", [record.pk])
    assert held == {Lease(record.pk, 1)}


def test_a_call_that_its_worker_never_heard_of_is_left_to_expire():
    """The connection broke after the claim was committed: nobody runs it."""
    unknown = running()
    before = unknown.lease_expires_at
    assert renew("w1", []) == (set(), set(), 0)
    unknown.refresh_from_db()
    assert unknown.lease_expires_at == before


def claim_in_threads(count, size):
    barrier, taken = Barrier(count), [[] for _ in range(count)]

    def work(number):
        try:
            barrier.wait(10)
            while records := claim(size, f"w{number}"):
                taken[number].extend(ids(records))
        finally:
            connection.close()

    threads = [Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [pk for part in taken for pk in part]


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_never_get_the_same_call():
    for _ in range(40):
        queued()
    taken = claim_in_threads(4, 3)
    assert len(taken) == len(set(taken)) == 40


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_never_run_two_calls_of_one_key():
    for _ in range(10):
        keyed()
    taken = claim_in_threads(4, 5)
    assert len(taken) == 1
    assert ServiceCallRecord.objects.get(pk=taken[0]).sequence == 1


def test_a_keyed_calls_turn_is_read_from_the_keyed_index():
    keyed()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # of one row it would be the better way
    plan = ServiceCallRecord.objects.claimable()[:5].explain()
    assert "call_ordering_first" in plan or "call_sequence_unique" in plan


def test_the_first_of_each_key_is_taken_however_many_wait():
    for number in range(60):
        keyed(f"key {number % 20:02}")
    taken = claim(100, "w")
    assert sorted((call.ordering_key, call.sequence) for call in taken) == [(f"key {n:02}", 1) for n in range(20)]
    assert claim(100, "w") == []


@pytest.mark.postgres_only
def test_calls_that_wait_for_their_key_are_not_read():
    """A claim reads the first call of each key by its id, instead of looking through all that are due."""
    for number in range(60):
        keyed(f"key {number % 3}")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # of so few it would be the better way
    plan = ServiceCallRecord.objects.claimable_with_key()[:5].explain()
    assert "(id)::text = ANY" in plan
    assert "call_due" not in plan
