"""What holds calls back at this moment, and how many of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.clock import database_now
from orchestration.engine.queue.holding import Hold, holds
from orchestration.engine.queue.unreadable_rows import UNREADABLE
from orchestration.models import Pause, ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.models.states import OrderingPolicy, PersistState, Status
from tests.orchestration.factories import SERVICE, failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def call(**fields: object) -> ServiceCallRecord:
    return queued(**{"client": "default", "model_requested": "gpt-4o", **fields})


def only() -> Hold:
    (found,) = holds()
    return found


def test_nothing_holds_what_is_merely_queued() -> None:
    call()
    assert holds() == []


def test_a_pause_says_how_many_it_holds() -> None:
    call(), call(client="other")
    Pause.objects.create(kind="model", name="default/*", reason="too dear")
    found = only()
    assert (found.code, found.calls.count, found.service) == ("paused", 1, "")
    assert (found.reason, found.since) == ("too dear", Pause.objects.get().paused_at)
    Pause.objects.update(kind="service", name=SERVICE)
    assert (only().calls.count, only().service) == (2, SERVICE)


def test_an_open_circuit_says_since_when_and_until() -> None:
    call()
    later = database_now() + timedelta(seconds=40)
    ProviderCircuit.objects.create(client="default", state="open", retry_at=later, last_error_code="timeout")
    found = only()
    assert (found.code, found.calls.count, found.until) == ("circuit_open", 1, later)
    assert "timeout" in found.why


def test_a_limit_counts_while_it_holds_and_calls_wait() -> None:
    limit = RateLimit.objects.create(pattern="default/*", blocked_until=database_now() + timedelta(seconds=40))
    assert holds() == [], "nobody waits for it"
    call()
    assert (only().code, only().calls.count) == ("rate_limited", 1)
    RateLimit.objects.filter(pk=limit.pk).update(blocked_until=None)
    assert holds() == []


@pytest.mark.parametrize("dead", [False, True])
def test_the_first_of_a_key_that_holds_the_later_ones_is_named(dead: bool) -> None:
    key = {"ordering_key": "chat:1", "ordering_policy": OrderingPolicy.HOLD}
    state = {"status": Status.SUCCEEDED, "domain_persist_state": PersistState.DEAD} if dead else {}
    first = failed(**key, sequence=1, **state)
    assert holds() == [], "nothing waits behind it"
    for sequence in (2, 3):
        call(**key, sequence=sequence)
    found = only()
    assert (found.code, found.what, found.calls.count, found.call_id) == ("order", "chat:1", 2, first.pk)
    ServiceCallRecord.objects.filter(pk=first.pk).update(ordering_policy=OrderingPolicy.SKIP)
    assert holds() == []


def test_rows_set_aside_and_calls_for_later_are_counted() -> None:
    failed(error_code=UNREADABLE)
    later: datetime = database_now() + timedelta(hours=1)
    call(due_at=later), call(due_at=later + timedelta(hours=1))
    aside, planned = holds()
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
