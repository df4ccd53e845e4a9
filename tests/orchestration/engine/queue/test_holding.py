"""What holds calls back at this moment, and how many of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.clock import database_now
from orchestration.engine.queue import holding
from orchestration.engine.queue.holding import Hold, holds
from orchestration.engine.queue.unreadable_rows import UNREADABLE
from orchestration.engine.queue.waiting import waits_of
from orchestration.models import Pause, ProviderCircuit, RateLimit, ServiceCallRecord, WorkerNode
from orchestration.models.states import OrderingPolicy, PersistState, Status
from tests.orchestration.factories import SERVICE, failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def call(**fields: object) -> ServiceCallRecord:
    return queued(**{"client": "default", "model_requested": "gpt-4o", **fields})


def only() -> Hold:
    ((found,), is_cut) = holds()
    assert not is_cut
    return found


@pytest.fixture(autouse=True)
def worker() -> None:
    WorkerNode.objects.create(name="node-1", beat_at=database_now())


def test_nothing_holds_what_is_merely_queued() -> None:
    call()
    assert holds() == ([], False)


def test_a_pause_says_how_many_it_holds() -> None:
    call(), call(client="other")
    Pause.objects.create(kind="model", name="default/*", reason="too dear")
    found = only()
    assert (found.code, found.what, found.calls.count) == ("paused", "model default/*", 1)
    assert (found.reason, found.since) == ("too dear", Pause.objects.get().paused_at)
    Pause.objects.update(kind="service", name=SERVICE)
    assert only().calls.count == 2


def test_an_open_circuit_says_since_when_and_until() -> None:
    call()
    later = database_now() + timedelta(seconds=40)
    ProviderCircuit.objects.create(client="default", state="open", retry_at=later, last_error_code="timeout")
    found = only()
    assert (found.code, found.calls.count, found.until) == ("circuit_open", 1, later)
    assert "timeout" in found.why


def test_a_limit_counts_while_it_holds_and_calls_wait() -> None:
    limit = RateLimit.objects.create(pattern="default/*", blocked_until=database_now() + timedelta(seconds=40))
    assert holds() == ([], False), "nobody waits for it"
    call()
    assert (only().code, only().calls.count) == ("rate_limited", 1)
    RateLimit.objects.filter(pk=limit.pk).update(blocked_until=None)
    assert holds() == ([], False)


@pytest.mark.parametrize(
    ("state", "stage"),
    [(None, "failed"), (PersistState.DEAD, "dead"), (PersistState.HELD, "waiting for approval")],
)
def test_the_first_of_a_key_that_holds_the_later_ones_is_named(state: PersistState | None, stage: str) -> None:
    key = {"ordering_key": "chat:1", "ordering_policy": OrderingPolicy.HOLD}
    ended: dict[str, object] = {} if state is None else {"status": Status.SUCCEEDED, "domain_persist_state": state}
    first = failed(**key, sequence=1, **ended)
    assert holds() == ([], False), "nothing waits behind it"
    for sequence in (2, 3):
        call(**key, sequence=sequence)
    found = only()
    assert (found.code, found.what, found.calls.count, found.call_id) == ("order", "chat:1", 2, first.pk)
    assert found.why == f"Number 1 comes first: it is {stage}"
    ServiceCallRecord.objects.filter(pk=first.pk).update(ordering_policy=OrderingPolicy.SKIP)
    assert holds() == ([], False)


def test_the_keys_that_hold_most_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many failed since, and in however many other keys calls wait."""
    monkeypatch.setattr(holding, "LISTED", 2)
    for number in (1, 2, 3):
        key = {"ordering_key": f"k{number}", "ordering_policy": OrderingPolicy.HOLD}
        failed(**key, sequence=1)
        for sequence in range(number):
            call(**key, sequence=2 + sequence)
    found, is_cut = holds()
    assert ([hold.what for hold in found], is_cut) == (["k3", "k2"], True)
    monkeypatch.setattr(holding, "LISTED", 3)
    assert not holds()[1]


def test_what_is_behind_a_held_call_waits_for_its_turn() -> None:
    """Its own page says so; so does the list of what holds calls."""
    key = {"ordering_key": "chat:1", "ordering_policy": OrderingPolicy.SKIP}
    call(**key, sequence=1), call(ordering_key="chat:2", sequence=1, client="other")
    behind = [call(**key, sequence=sequence, client="other") for sequence in (2, 3)]
    call(ordering_key="chat:2", sequence=2, client="other")
    assert holds() == ([], False), "the first ones are in line"
    Pause.objects.create(kind="model", name="default/*")
    paused, order = holds()[0]
    assert (paused.code, paused.calls.count) == ("paused", 1)
    assert (order.code, order.what, order.calls.count) == ("order", "calls that are held themselves", 2)
    assert set(ServiceCallRecord.objects.filter(order.which)) == set(behind)
    assert [[wait.code for wait in waits_of(each)] for each in behind] == [["order"], ["order"]]
    Pause.objects.all().delete()
    ProviderCircuit.objects.create(client="default", state="open", retry_at=database_now() + timedelta(seconds=40))
    assert [hold.calls.count for hold in holds()[0]] == [1, 2]


def test_an_open_circuit_holds_what_is_due() -> None:
    """By the time that others are due, it is closed, or open for a reason of then. A pause waits for a person."""
    call(), call(due_at=database_now() + timedelta(hours=1))
    ProviderCircuit.objects.create(
        client="default", state="open", retry_at=database_now() + timedelta(seconds=40), last_error_code="timeout"
    )
    Pause.objects.create(kind="model", name="default/*")
    counts = {hold.code: hold.calls.count for hold in holds()[0]}
    assert counts == {"circuit_open": 1, "paused": 2, "not_due": 1}


def test_rows_set_aside_and_calls_for_later_are_counted() -> None:
    failed(error_code=UNREADABLE)
    later: datetime = database_now() + timedelta(hours=1)
    call(due_at=later), call(due_at=later + timedelta(hours=1))
    (aside, planned), _ = holds()
    assert (aside.code, aside.calls.count) == ("set_aside", 1)
    assert (planned.code, planned.calls.count, planned.until) == ("not_due", 2, later)


def test_it_costs_a_dozen_queries_whatever_waits() -> None:
    for number in range(3):
        call(client=f"c{number}")
    RateLimit.objects.create(pattern="*/*", blocked_until=database_now() + timedelta(seconds=40))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        holds()
    assert len(asked) <= 15
