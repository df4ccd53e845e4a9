"""The next call of an ordering key, taken in the transaction that ends the one before it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from orchestration.engine.execution.commands import Settle
from orchestration.engine.execution.group_commit import GroupCommit, commit
from orchestration.engine.execution.successors import Successors
from orchestration.engine.queue.claim import Lease, hand_over
from orchestration.engine.throttling.snapshot import Limits
from orchestration.errors import StaleLease
from orchestration.models import Pause, ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.models.ordering_keys import OrderingKey
from orchestration.models.states import PersistState, Status
from orchestration.models.throttles import CircuitState, PauseKind
from tests.orchestration.factories import SERVICE, failed, queued, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
KEY = "chat:1"
ROUTE = {"client": "default", "model_requested": "gpt-4o-mini"}


def keyed(make=queued, key=KEY, **fields):
    return make(ordering_key=key, sequence=OrderingKey.take(key), **ROUTE, **fields)


def settle(record, **fields):
    lease = Lease(record.pk, record.lease_token)
    return Settle(**{"lease": lease, "record": record, "status": Status.SUCCEEDED, **fields})


def taken_with(*commands):
    """The calls that the end of others brought along."""
    taken = []
    commit(commands, take=lambda keys: taken.extend(hand_over(keys, "w1", Limits())))
    return taken


def test_the_next_call_of_the_key_runs_under_a_new_lease():
    first, second, third = keyed(running), keyed(lease_token=4), keyed()
    (taken,) = taken_with(settle(first))
    second.refresh_from_db()
    assert taken.pk == second.pk
    assert (second.status, second.lease_token, second.worker) == ("running", 5, "w1")
    assert second.lease_expires_at > timezone.now() + timedelta(seconds=8)
    assert (taken.lease_token, taken.started_at) == (5, second.started_at)
    assert ServiceCallRecord.objects.get(pk=third.pk).status == "queued"


def test_each_key_brings_its_own_call_along():
    ends = [keyed(running, f"chat:{number}") for number in range(3)]
    follow = {keyed(key=f"chat:{number}").pk for number in range(4)}
    taken = taken_with(*map(settle, ends))
    assert {call.ordering_key for call in taken} == {"chat:0", "chat:1", "chat:2"}
    assert {call.pk for call in taken} < follow


def test_a_call_without_key_brings_none_along():
    ends = running()
    queued()
    assert taken_with(settle(ends)) == []


@pytest.mark.parametrize(
    "end",
    [
        {"persist": PersistState.PENDING, "result": {"n": 1}},
        {"status": Status.QUEUED, "due_at": timezone.now() + timedelta(minutes=1)},
    ],
    ids=["until its result is persisted", "until it was tried again"],
)
def test_a_call_still_holds_up_the_next(end):
    first, _ = keyed(running), keyed()
    assert taken_with(settle(first, **end)) == []


def test_a_failed_call_holds_up_the_next_by_policy():
    first, _ = keyed(running, ordering_policy="hold"), keyed()
    assert taken_with(settle(first, status=Status.FAILED)) == []


def test_a_planned_call_waits_for_its_time():
    first, _ = keyed(running), keyed(due_at=timezone.now() + timedelta(minutes=1))
    assert taken_with(settle(first)) == []


def test_nothing_is_taken_beside_an_earlier_call_that_runs_late():
    late = keyed(failed)
    first, _ = keyed(running), keyed()
    ServiceCallRecord.objects.filter(pk=late.pk).update(
        status="running", lease_expires_at=timezone.now() + timedelta(seconds=10), finished_at=None
    )
    assert taken_with(settle(first)) == []


def test_a_stale_end_brings_nothing_along():
    first, second = keyed(running, lease_token=7), keyed()
    stale = settle(first, lease=Lease(first.pk, 6))
    assert isinstance(commit([stale], take=lambda keys: pytest.fail(str(keys)))[0], StaleLease)
    assert ServiceCallRecord.objects.get(pk=second.pk).status == "queued"


def paused():
    Pause.start(PauseKind.SERVICE, SERVICE)


def limited():
    RateLimit.objects.create(pattern="default/*", requests_per_minute=100)


def tripped():
    ProviderCircuit.objects.create(client="default", state=CircuitState.OPEN, retry_at=timezone.now())


@pytest.mark.parametrize("hold", [paused, limited, tripped])
def test_what_is_held_or_counted_is_left_to_the_claim(hold):
    first, second = keyed(running), keyed()
    hold()
    assert taken_with(settle(first)) == []
    assert ServiceCallRecord.objects.get(pk=second.pk).status == "queued"


class Broken(Successors):
    def wanted(self):
        return True

    def take(self, keys):
        raise ValueError(keys)

    def taken(self, records):
        raise AssertionError(records)

    async def start(self, records):
        raise AssertionError(records)


def test_a_successor_that_cannot_be_taken_harms_no_end():
    first, second = keyed(running), keyed()

    async def write():
        async with GroupCommit() as group_commit:
            group_commit.successors = Broken()
            await group_commit.write(settle(first, result={"n": 1}))

    async_to_sync(write)()
    first.refresh_from_db()
    assert (first.status, first.result) == ("succeeded", {"n": 1})
    assert ServiceCallRecord.objects.get(pk=second.pk).status == "queued"
