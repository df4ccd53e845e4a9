"""Calls that fail on one route continue on the next, uncharged; each request is priced under its own model."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.errors import CallHeld, ProviderError
from orchestration.models import EngineCounter, ModelPrice, Pause, ServiceCallRecord
from orchestration.retry import RetryPolicy
from orchestration.testing import drain, scripted_provider
from orchestration.testing.scripted import ScriptedProvider
from persistence.reprocessing.rerun import rerun
from tests.engineapp.orca.services.triage import Triage
from tests.orchestration.routed import (
    BACKUP,
    CLIENTS,
    LAST,
    MAIN,
    ROUTES,
    TICKET,
    ask,
    fresh,
    requests_of,
    route,
    with_clients,
)

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ANSWER = {"urgency": 1, "reason": "smoke"}
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def two_routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(RetryPolicy, "ceiling", lambda *_: 60.0)
    monkeypatch.setattr(random, "uniform", max)  # no retry is due before the test is over
    route(monkeypatch, *ROUTES)
    with with_clients:
        yield


@pytest.fixture
def model() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        yield provider


@pytest.mark.parametrize(
    ("kind", "code"),
    [("server_error", "provider_unavailable"), ("rate_limit", "rate_limited"), ("unauthorized", "provider_auth")],
)
def test_a_failed_route_is_followed_by_the_next(model: ScriptedProvider, kind: Any, code: str) -> None:
    model.fail(kind, model="gpt-4o", times=1)
    call = ask()
    drain()
    row, why = fresh(call), f"{MAIN}: {code}"
    assert (row.status, row.attempts, row.failures, row.route_reason) == ("succeeded", 2, 0, why)
    assert (str(row.route), row.model) == (BACKUP, "gpt-4o-mini")
    assert requests_of(call) == [(MAIN, None, "failed"), (BACKUP, why, "answered")]
    assert EngineCounter.objects.get(name="calls_rerouted").value == 1


def test_what_is_about_the_request_is_not_asked_elsewhere(model: ScriptedProvider) -> None:
    model.fail("bad_request")
    call = ask()
    drain()
    assert (fresh(call).status, fresh(call).error_code) == ("failed", "bad_request")
    assert len(requests_of(call)) == 1


def test_a_service_may_name_other_errors(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    route(monkeypatch, *ROUTES, on=("refused",))
    model.fail("refusal")
    model.fail("server_error")
    call = ask(max_attempts=1)
    drain()
    assert fresh(call).error_code == "provider_unavailable"
    assert requests_of(call) == [(MAIN, None, "answered"), (BACKUP, f"{MAIN}: refused", "failed")]


def test_when_all_failed_one_failure_is_charged(model: ScriptedProvider) -> None:
    """The next round begins with the first route."""
    model.fail("server_error", times=2)
    call = ask()
    drain()
    row = fresh(call)
    assert (row.status, row.attempts, row.failures) == ("queued", 2, 1)
    assert (str(row.route), row.routes_left, row.route_reason) == (MAIN, 0b11, None)
    drain(scheduled=True)
    assert (fresh(call).status, [each for each, *_ in requests_of(call)]) == ("succeeded", [MAIN, BACKUP, MAIN])


def test_a_round_is_repeated_when_one_of_its_errors_may_pass(model: ScriptedProvider) -> None:
    """The first provider is down, and the second has no quota: without the second, the call would have waited."""
    model.fail("server_error", model="gpt-4o", times=1)
    model.fail("unauthorized", times=1)
    call = ask(max_attempts=2)
    drain()
    assert (fresh(call).status, fresh(call).retryable, fresh(call).failures) == ("queued", True, 1)
    drain(scheduled=True)
    assert fresh(call).status == "succeeded"


def test_a_round_of_lasting_errors_fails_the_call(model: ScriptedProvider) -> None:
    model.fail("unauthorized", times=2)
    call = ask()
    drain()
    row = fresh(call)
    assert (row.status, row.error_code, row.attempts, row.failures) == ("failed", "provider_auth", 2, 1)
    assert (str(row.route), row.route_reason) == (BACKUP, f"{MAIN}: provider_auth")
    row.retry()
    assert (str(fresh(call).route), fresh(call).routes_left, fresh(call).route_reason) == (MAIN, 0b11, None)


def test_a_client_that_does_not_exist_is_passed_over(monkeypatch: pytest.MonkeyPatch, model: ScriptedProvider) -> None:
    """The check E011 says so; calls continue meanwhile."""
    route(monkeypatch, "gone/x", "backup")
    call = ask()
    drain()
    assert (fresh(call).status, fresh(call).route_reason) == ("succeeded", "gone/x: not_configured")
    assert len(requests_of(call)) == 1


def test_a_repair_stays_where_its_answer_came_from(model: ScriptedProvider) -> None:
    model.fail("server_error")
    model.answer({"urgency": "high"})
    model.answer(ANSWER)
    call = ask()
    drain()
    why = f"{MAIN}: provider_unavailable"
    assert requests_of(call) == [(MAIN, None, "failed"), (BACKUP, why, "answered"), (BACKUP, why, "answered")]


def test_a_caller_who_waits_is_served_by_the_next_route(model: ScriptedProvider) -> None:
    model.fail("server_error")
    response = async_to_sync(Triage.using(context=TICKET).execute)()
    row = ServiceCallRecord.objects.get()
    assert (response.model, row.status, row.attempts, row.failures) == ("gpt-4o-mini", "succeeded", 2, 0)
    assert (str(row.route), row.route_reason) == (BACKUP, f"{MAIN}: provider_unavailable")


def test_a_caller_who_waits_begins_where_it_is_open(model: ScriptedProvider) -> None:
    Pause.start("model", "main/*")
    async_to_sync(Triage.using(context=TICKET).execute)()
    row = ServiceCallRecord.objects.get()
    assert (str(row.route), row.route_reason, row.attempts) == (BACKUP, f"{MAIN}: paused", 1)


def test_a_caller_who_waits_does_not_go_where_it_is_held(
    model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    route(monkeypatch, *ROUTES, "last")
    Pause.start("model", BACKUP)
    model.fail("unauthorized")
    async_to_sync(Triage.using(context=TICKET).execute)()
    row = ServiceCallRecord.objects.get()
    assert (str(row.route), row.route_reason) == (LAST, f"{MAIN}: provider_auth, {BACKUP}: paused")
    Pause.start("model", LAST)
    model.fail("unauthorized")
    with pytest.raises(ProviderError, match="API key"):
        async_to_sync(Triage.using(context=TICKET).execute)()
    Pause.start("model", "main/*")
    with pytest.raises(CallHeld, match="Paused"):
        async_to_sync(Triage.using(context=TICKET).execute)()


def test_routes_may_be_set_for_all_services(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for those that name a client or a model themselves, and for calls that do."""
    monkeypatch.setattr(Triage, "routes", None)
    with override_settings(ORCA_CONFIG={"MODE": "pod", "CLIENTS": CLIENTS, "ROUTES": ["last", "backup"]}):
        model.fail("server_error")
        call = ask()
        drain()
        named = ask(model="gpt-4o")
        monkeypatch.setattr(Triage, "model", "gpt-4o")
        own = ask()
    assert [each for each, *_ in requests_of(call)] == [LAST, BACKUP]
    assert {(str(each.route), each.routes_left) for each in (named, own)} == {(MAIN, None)}


def test_a_rerun_with_another_model_asks_that_alone(model: ScriptedProvider) -> None:
    call = ask()
    drain()
    again = rerun(fresh(call), model="o3")
    assert (str(again.route), again.routes_left) == ("main/o3", None)
    assert rerun(fresh(call)).routes_left == 0b11


def test_with_a_dead_first_provider_calls_end_on_the_second() -> None:
    check_calls_end_on_the_second(20)


@pytest.mark.long
def test_a_thousand_calls_end_on_the_second_provider() -> None:
    check_calls_end_on_the_second(1000)


def check_calls_end_on_the_second(count: int) -> None:
    """There is no connection to the first. Every request is audited, and each answer has its own model's price."""
    dead = {"provider": "compatible", "base_url": "http://127.0.0.1:9/v1", "model": "llama"}
    ModelPrice.objects.filter(model__in=("llama", "gpt-4o-mini")).delete()
    for provider, name, price in (("simulator", "gpt-4o-mini", 3), ("compatible", "llama", 1000)):
        prices = dict.fromkeys(("input_per_million", "cached_input_per_million", "output_per_million"), price)
        ModelPrice.objects.create(provider=provider, model=name, valid_from=LONG_AGO, **prices)
    with override_settings(ORCA_CONFIG={"MODE": "pod", "CLIENTS": CLIENTS | {"main": dead}}):
        submit_many([CallSpec(service=Triage, context=TICKET) for _ in range(count)])
        drain()
    rows = list(ServiceCallRecord.objects.prefetch_related("request_audits__response_audit"))
    assert len(rows) == count
    for row in rows:
        assert (row.status, row.provider, row.model, row.failures) == ("succeeded", "simulator", "gpt-4o-mini", 0)
        *failed, last = sorted(row.request_audits.all(), key=lambda each: each.attempt)
        assert [(each.provider, each.model, each.outcome) for each in failed] in (
            [],
            [("compatible", "gpt-4o", "failed")],
        )
        assert (last.provider, last.model, last.outcome) == ("simulator", "gpt-4o-mini", "answered")
        assert last.route_reason == row.route_reason == f"{MAIN}: {'connection_error' if failed else 'circuit_open'}"
        assert last.response_audit.cost == row.cost == Decimal(3 * row.total_tokens) / 1_000_000
