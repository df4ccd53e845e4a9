"""Pause and resume of a service or a model: nothing starts, nothing is charged, everything runs on resume."""

import asyncio
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.engine.queue.claim import claim
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.throttling.snapshot import Limits, held_back, open_parts
from orchestration.errors import CallHeld, InvalidCall, TransitionRefused
from orchestration.models import AIRequestAudit, Pause, ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.models.call_kinds import QUEUED_KINDS, queued_kinds
from orchestration.models.throttles import PauseKind
from orchestration.testing import drain
from tests.engineapp.orca.services import triage
from tests.orchestration.factories import SERVICE, failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TICKET = {"ticket": "it burns"}


def call(service=triage.Triage, **fields):
    return submit(CallSpec(service=service, context=TICKET, **fields))


def test_calls_of_a_paused_service_wait_uncharged_until_resumed():
    pause = Pause.start(PauseKind.SERVICE, SERVICE, reason="prompt is wrong")
    held, other = call(), call(triage.FreeText)
    due = held.due_at
    drain()
    held.refresh_from_db()
    other.refresh_from_db()
    assert (held.status, held.attempts, held.failures, held.due_at) == ("queued", 0, 0, due)
    assert other.status == "succeeded"
    pause.end()
    drain()
    held.refresh_from_db()
    assert (held.status, held.attempts) == ("succeeded", 1)


@pytest.mark.parametrize(
    ("pattern", "held"),
    [
        ("default/gpt-4o-mini", {"gpt-4o-mini"}),
        ("default/gpt-4o*", {"gpt-4o-mini", "gpt-4o"}),
        ("*/*", {"gpt-4o-mini", "gpt-4o", "o3"}),
        ("other/*", set()),
    ],
)
def test_a_pause_of_models_holds_those_that_its_pattern_means(pattern, held):
    calls = {model: call(model=model) for model in ("gpt-4o-mini", "gpt-4o", "o3")}
    Pause.start(PauseKind.MODEL, pattern)
    taken = {record.pk for record in claim(10, "w1")}
    assert {model for model, record in calls.items() if record.pk not in taken} == held


def test_what_runs_already_continues():
    call()
    (record,) = claim(1, "w1")
    Pause.start(PauseKind.SERVICE, SERVICE)
    record.refresh_from_db()
    assert record.status == "running"


def test_when_everything_is_paused_workers_do_not_stay():
    call()
    Pause.start(PauseKind.MODEL, "*/*")
    assert not Limits().any_open(ServiceCallRecord.objects.due(), within=10)


def test_calls_behind_a_long_paused_queue_are_reached():
    for _ in range(20):
        queued(service_identity="services.engineapp.default.Paused", due_at=timezone.now() - timedelta(hours=1))
    Pause.start(PauseKind.SERVICE, "services.engineapp.default.Paused")
    other = queued()
    assert [record.pk for record in claim(5, "w1")] == [other.pk]


def test_other_services_are_claimed_in_order_during_a_pause():
    Pause.start(PauseKind.MODEL, "default/held")
    now = timezone.now()
    calls = [
        queued(
            service_identity=f"services.engineapp.default.S{number % 3}",
            client="default",
            model_requested=("held", "a", "b")[number % 3] if number < 6 else "a",
            due_at=now - timedelta(seconds=20 - number),
            priority=1 if number == 8 else 0,
        )
        for number in range(9)
    ]
    limits = Limits()
    in_order = [calls[number].pk for number in (8, 1, 2, 4, 5, 6, 7)]
    assert [record.pk for record in claim(3, "w1", limits)] == in_order[:3]
    assert [record.pk for record in claim(9, "w1", limits)] == in_order[3:]
    assert claim(9, "w1", limits) == []


def test_each_kind_of_queued_call_is_found_once_and_no_other():
    assert queued_kinds() == []
    for service, client, model in [("b", "x", "m"), ("a", "y", "m"), ("a", "x", "n"), ("a", "x", "n"), ("a", "", "")]:
        queued(service_identity=service, client=client, model_requested=model)
    failed(service_identity="c", client="x", model_requested="m")
    assert queued_kinds() == [("a", "", ""), ("a", "x", "n"), ("a", "y", "m"), ("b", "x", "m")]


def test_held_calls_and_kinds_are_found_without_a_scan():
    queued(client="default", model_requested="m")
    Pause.start(PauseKind.SERVICE, "services.engineapp.default.Paused")
    (part,) = open_parts(ServiceCallRecord.objects.claimable(), Limits().reasons())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of one row, and what other tests left, these would be the better ways.
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
            )
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN'} {QUEUED_KINDS}")
        kinds = str(cursor.fetchall())
    plan = part[:5].explain()
    assert "call_due_of_kind" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    assert kinds.count("call_due_of_kind") == 4


def test_a_pause_reaches_a_worker_when_its_view_expires():
    """The view is kept for a second."""
    call()
    limits = Limits(cache_seconds=0.2)
    limits.snapshot()
    Pause.start(PauseKind.SERVICE, SERVICE)
    assert not limits.snapshot().pauses
    limits._read_at -= 0.2
    assert claim(1, "w1", limits) == []


@pytest.mark.django_db(transaction=True)
def test_an_immediate_caller_is_told_of_the_pause():
    """No row is left."""
    Pause.start(PauseKind.SERVICE, SERVICE)
    with pytest.raises(CallHeld, match=f"Paused: the service {SERVICE}") as caught:
        asyncio.run(triage.Triage.using(context=TICKET).execute())
    assert caught.value.code == "paused"
    assert not ServiceCallRecord.objects.exists()
    assert not AIRequestAudit.objects.exists()


def test_pausing_or_resuming_twice_is_refused_with_a_reason():
    pause = Pause.start(PauseKind.SERVICE, SERVICE)
    with pytest.raises(TransitionRefused, match="is paused already, since"):
        Pause.start(PauseKind.SERVICE, SERVICE)
    pause.end()
    with pytest.raises(TransitionRefused, match="is not paused"):
        pause.end()


@pytest.mark.parametrize("pattern", ["gpt-4o", "default/", "/x", "a b/c", "def*/x", "default/*mini"])
def test_a_model_is_paused_by_a_pattern_and_nothing_else(pattern):
    with pytest.raises(InvalidCall, match="is not a route: write"):
        Pause.start(PauseKind.MODEL, pattern)


def test_whatever_keeps_calls_waiting_is_told_for_all_nodes():
    soon = timezone.now() + timedelta(seconds=30)
    pause = Pause.start(PauseKind.MODEL, "default/o3")
    ProviderCircuit.objects.create(client="second", state="open", retry_at=soon, opened_at=pause.paused_at)
    ProviderCircuit.objects.create(client="third", failures=2)
    RateLimit.objects.create(pattern="default/gpt-4o", blocked_until=soon)
    RateLimit.objects.create(pattern="default/o4", blocked_until=timezone.now())
    assert held_back() == [
        {"kind": "pause", "name": "model default/o3", "state": "paused", "since": pause.paused_at, "until": None},
        {"kind": "circuit", "name": "second", "state": "open", "since": pause.paused_at, "until": soon},
        {"kind": "limit", "name": "default/gpt-4o", "state": "blocked", "since": None, "until": soon},
    ]
