"""Calls with several routes go around what holds the first: circuits, pauses, limits; and come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.engine.queue.claim import claim
from orchestration.engine.queue.waiting import waits_of
from orchestration.engine.throttling.snapshot import Limits, anything_to_run
from orchestration.models import EngineCounter, Pause, ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.models.throttles import CircuitState
from tests.orchestration.factories import queued
from tests.orchestration.routed import BACKUP, LAST, MAIN, ROUTES, ask, fresh, route, with_clients

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def two_routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    route(monkeypatch, *ROUTES)
    with with_clients:
        yield


def open_circuit(client: str = "main", seconds: float = 3600) -> None:
    now = timezone.now()
    times = {"opened_at": now, "retry_at": now + timedelta(seconds=seconds)}
    ProviderCircuit.objects.create(client=client, state=CircuitState.OPEN, failures=3, openings=1, **times)


def pause(name: str) -> None:
    Pause.start("model", name)


def limit(**fields: int) -> None:
    RateLimit.objects.create(pattern="main/*", **fields)


def claimed(count: int = 10) -> list[str]:
    """Where the calls that a claim takes go."""
    return [str(call.route) for call in claim(count, "w1")]


def test_a_call_begins_with_the_first_route() -> None:
    call = ask()
    assert (str(call.route), call.routes_left, call.route_reason) == (MAIN, 0b11, None)
    assert claimed() == [MAIN]
    assert fresh(call).route_reason is None


@pytest.mark.parametrize(
    ("hold", "code"),
    [
        (open_circuit, "circuit_open"),
        (lambda: pause("main/*"), "paused"),
        (lambda: limit(parallel=0), "rate_limited"),
    ],
)
def test_what_is_held_goes_to_the_next_route(hold, code: str) -> None:
    call, other = ask(), queued(client="main", model_requested="gpt-4o")
    hold()
    if code == "rate_limited":
        RateLimit.objects.update(blocked_until=timezone.now() + timedelta(minutes=5))
    assert anything_to_run()
    assert claimed() == [BACKUP]
    row = fresh(call)
    assert (str(row.route), row.route_reason, row.status) == (BACKUP, f"{MAIN}: {code}", "running")
    assert fresh(other).status == "queued"  # it has one route
    assert EngineCounter.objects.get(name="calls_rerouted").value == 1


def test_what_does_not_fit_into_a_limit_takes_the_next_route() -> None:
    """In the order of the queue: the most urgent ones stay."""
    calls = [ask() for _ in range(5)]
    limit(parallel=2)
    assert claimed() == [MAIN] * 2 + [BACKUP] * 3
    assert [str(fresh(call).route) for call in calls] == [MAIN] * 2 + [BACKUP] * 3


def test_calls_come_back_when_the_first_route_recovers() -> None:
    """One probes it; the others are routed around it until it is closed."""
    open_circuit(seconds=-1)
    for _ in range(3):
        ask()
    assert sorted(claimed()) == [BACKUP] * 2 + [MAIN]
    ProviderCircuit.objects.close("main")
    ask()
    assert claimed() == [MAIN]


def test_when_every_route_is_held_calls_wait_uncharged() -> None:
    call = ask()
    open_circuit()
    pause(BACKUP)
    assert not anything_to_run()
    assert claimed() == []
    row = fresh(call)
    assert (row.status, row.attempts, str(row.route), row.route_reason) == ("queued", 0, MAIN, None)
    Pause.objects.all().delete()
    assert claimed() == [BACKUP]


def test_a_queued_call_says_what_holds_all_its_routes() -> None:
    call = ask()
    open_circuit()
    assert "circuit_open" not in {wait.code for wait in waits_of(fresh(call))}
    pause(BACKUP)
    assert [wait.code for wait in waits_of(fresh(call))][:2] == ["circuit_open", "paused"]


def test_the_route_behind_the_next_is_taken_when_that_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    route(monkeypatch, *ROUTES, "last")
    call = ask()
    open_circuit()
    pause(BACKUP)
    assert claimed() == [LAST]
    assert fresh(call).route_reason == f"{MAIN}: circuit_open, {BACKUP}: paused"


def test_a_policy_says_what_calls_go_around(monkeypatch: pytest.MonkeyPatch) -> None:
    route(monkeypatch, *ROUTES, on=("circuit_open",))
    ask()
    pause("main/*")
    assert claimed() == []
    Pause.objects.all().delete()
    open_circuit()
    assert claimed() == [BACKUP]


def test_a_paused_service_is_paused_on_every_route() -> None:
    call = ask()
    Pause.start("service", call.service_identity)
    assert claimed() == []


def test_a_call_that_names_its_model_has_one_route() -> None:
    call = ask(model="gpt-4o")
    assert (str(call.route), call.routes_left) == (MAIN, None)
    open_circuit()
    assert claimed() == []


def test_a_route_that_failed_in_this_round_is_not_gone_back_to() -> None:
    """It is on the second one, which is held; the first one is open."""
    call = ask()
    ServiceCallRecord.objects.filter(pk=call.pk).update(
        client="backup", model_requested="gpt-4o-mini", routes_left=0b10
    )
    pause(BACKUP)
    assert claimed() == []


def test_weights_share_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one cannot take, the other does; the route without a weight comes last."""
    monkeypatch.setattr("random.choices", lambda routes, weights: [routes[weights.index(3)]])
    heavy = [{"client": "main", "model": "gpt-4o", "weight": 1}, {"client": "backup", "weight": 3}, "last"]
    route(monkeypatch, *heavy)
    call = ask()
    assert (str(call.route), call.routes_left) == (BACKUP, 0b111)
    pause(BACKUP)
    assert claimed() == [MAIN]


def test_weights_are_proportions(monkeypatch: pytest.MonkeyPatch) -> None:
    route(monkeypatch, {"client": "main", "weight": 3}, {"client": "backup", "weight": 1})
    found = Counter(str(ask().route) for _ in range(300))
    assert 180 < found["main/gpt-4.1"] < 270


def test_a_list_that_changed_sends_calls_to_its_first_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row names a route that is no longer in it."""
    call = ask()
    route(monkeypatch, "last", "backup")
    pause("last/*")
    open_circuit()
    assert claimed() == [BACKUP]
    assert fresh(call).route_reason == f"{LAST}: paused"


def test_a_pattern_that_cannot_be_read_holds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Written by hand, past the checks; what else is paused stays so."""
    call, other = ask(model="gpt-4o"), ask(model="o3")
    Pause.objects.create(kind="model", name="gpt-4o, please")
    RateLimit.objects.create(pattern="all", parallel=1)
    Pause.start("model", "main/o3")
    assert claimed() == [MAIN]
    assert fresh(call).status == "running"
    assert [wait.code for wait in waits_of(fresh(other))][:1] == ["paused"]
    assert "left out error='gpt-4o, please' is not a route" in caplog.text


def test_without_a_hold_routes_cost_a_claim_nothing(django_assert_num_queries) -> None:
    ask()
    limits = Limits()
    limits.snapshot()
    with django_assert_num_queries(5):  # as for a call without routes
        assert len(claim(1, "w1", limits)) == 1


def test_held_calls_without_routes_cost_no_query_more(monkeypatch, django_assert_num_queries) -> None:
    monkeypatch.setattr("tests.engineapp.orca.services.triage.Triage.routes", None)
    queued(client="main", model_requested="gpt-4o")
    queued(client="other", model_requested="gpt-4o")
    open_circuit()
    limits = Limits()
    limits.snapshot()
    with django_assert_num_queries(8):
        assert len(claim(1, "w1", limits)) == 1
