"""Requests for an alias: the real client, the real server, and two providers, of which the first is unwell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx2
import openai
import pytest

from apps.accounts.models import ApiKey
from apps.gateway.models import Interaction, KeyMeter, Status
from orchestration.clock import database_now
from orchestration.models import ModelPrice, Pause, ProviderCircuit, RateLimit
from orchestration.models.throttles import CircuitState, PauseKind
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.gateway.raw_provider import CHUNKED, END, HANG, RESET, RawProvider, delta, event, http
from tests.apps.gateway.serving import MODEL, ThreadServer, ask, client, free_port, gateway, key, price

pytestmark = pytest.mark.django_db(transaction=True)
NAMED = {"api_key_envvar": "ORCA_PROVIDER_API_KEY"}
SPARE = "llama"
CASES: dict[str, tuple[Fault | None, str]] = {
    "dead": (None, "connection_error"),
    "reset": (Fault(kind="reset", times=0, model="m-reset"), "connection_error"),
    "slow": (Fault(kind="hang", times=0, model="m-slow"), "timeout"),
    "busy": (Fault(kind="rate_limit", times=0, model="m-busy", retry_after=30), "rate_limited"),
    "broke": (Fault(kind="quota", times=0, model="m-broke"), "insufficient_quota"),
    "failing": (Fault(kind="server_error", times=0, model="m-failing"), "provider_unavailable"),
    "locked": (Fault(kind="unauthorized", times=0, model="m-locked"), "provider_auth"),
    "unknown": (Fault(kind="model_not_found", times=0, model="m-unknown"), "model_not_found"),
    "within": (Fault(kind="failed", times=0, model="m-within"), "provider_unavailable"),
    "open": (None, "circuit_open"),
    "keyless": (None, "provider_key_missing"),
}
"""What ails the first client of an alias, and the code that is recorded for it."""
HIDDEN = {"broke", "locked", "keyless"}
"""Where only the record tells the reason."""


def priced(provider: str, model: str, per_token: str) -> None:
    cost = Decimal(per_token) * 1_000_000
    columns = ("input_per_million", "cached_input_per_million", "output_per_million")
    ModelPrice.objects.create(provider=provider, model=model, **dict.fromkeys(columns, cost))


def of_first(url: str, model: str) -> dict[str, Any]:
    return {"provider": "openai", "base_url": url, "model": model, **NAMED}


@contextmanager
def two_providers(first_url: str, spare_url: str, *names: str, **wanted: Any) -> Iterator[ThreadServer]:
    """For each name an alias of it, whose first client `c-NAME` asks the first provider, and whose second is the spare
    one, which is of another kind and costs more."""
    clients: dict[str, Any] = {"usual": of_first(first_url, MODEL)}
    for name in names:
        clients[f"c-{name}"] = of_first(first_url, f"m-{name}")
    clients["spare"] = {"provider": "compatible", "base_url": spare_url, "model": SPARE}
    if "dead" in names:
        clients["c-dead"]["base_url"] = f"http://127.0.0.1:{free_port()}/v1"
    if "keyless" in names:
        clients["c-keyless"]["api_key_envvar"] = "NOT_SET_ANYWHERE"
    aliases = {name: [f"c-{name}", "spare"] for name in names}
    price()
    for name in names:
        priced("openai", f"m-{name}", "0.1")
    priced("compatible", SPARE, "0.2")
    with gateway(clients=clients, **{"ALIASES": aliases, **wanted}) as server:
        yield server


def last() -> Interaction:
    return Interaction.objects.latest("id")


def test_the_second_client_answers_when_the_first_cannot(provider):
    """Whole and streamed; which one, why, and at its own price; of our account the client learns nothing."""
    _, secret = key()
    first = provider
    first.script([fault for fault, _ in CASES.values() if fault is not None])
    soon = database_now() + timedelta(hours=1)
    ProviderCircuit.objects.create(client="c-open", state=CircuitState.OPEN, retry_at=soon)
    with (
        SimulatedProviderServer() as second,
        two_providers(first.base_url, second.base_url, *CASES, IDLE_SECONDS=0.5) as server,
    ):
        caller = client(server, secret)
        for name, (_, code) in CASES.items():
            answer = caller.chat.completions.with_raw_response.create(**ask(model=name))
            told = {header: answer.headers.get(f"x-gateway-{header}") for header in ("model", "route", "route-reason")}
            shown = "not_available" if name in HIDDEN else code
            assert told == {"model": SPARE, "route": f"spare/{SPARE}", "route-reason": f"c-{name}/m-{name}: {shown}"}
            row = last()
            assert (row.model, row.answered_by, row.provider, row.client) == (name, SPARE, "compatible", "spare")
            assert (row.status, row.route_reason) == (Status.COMPLETED, f"c-{name}/m-{name}: {code}")
            assert row.cost == answer.parse().usage.total_tokens * Decimal("0.2")
            pieces = list(caller.chat.completions.create(**ask(model=name), stream=True))
            said = "".join(piece.choices[0].delta.content or "" for piece in pieces)
            assert (name, said) == (name, answer.parse().choices[0].message.content)
            streamed = last()
            assert (streamed.status, streamed.client, streamed.streamed) == (Status.COMPLETED, "spare", True)
            assert streamed.cost == row.cost
        usage = httpx2.get(f"{server.base_url}/usage", headers={"Authorization": f"Bearer {secret}"}).json()["data"]
        listed = {model.id for model in caller.models.list()}
        assert caller.models.retrieve("dead").owned_by == "gateway"
    assert {row["model"] for row in usage} == {SPARE}
    assert listed == {*CASES, MODEL, *listed}
    assert len(second.request_log()) == 2 * len(CASES)
    asked = [entry["model"] for entry in first.request_log()]
    assert "m-open" not in asked, "its circuit is open"
    assert asked.count("m-busy") == 1, "it asked to wait"
    assert RateLimit.objects.get(pattern="c-busy/m-busy").blocked_until > database_now()


def test_requests_come_back_when_the_first_recovers(provider, settings):
    """Its circuit opens, one request after the other tries it, and what is answered closes it."""
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "CIRCUIT_FAILURES": 2, "CIRCUIT_OPEN_SECONDS": 0.5}
    _, secret = key()
    provider.script([Fault(kind="server_error", times=3)])
    with SimulatedProviderServer() as second, two_providers(provider.base_url, second.base_url, "one") as server:
        caller = client(server, secret)

        def route() -> str:
            answer = caller.chat.completions.with_raw_response.create(**ask(model="one"))
            return str(answer.headers["x-gateway-route"])

        spare = f"spare/{SPARE}"
        assert [route() for _ in range(4)] == [spare] * 4
        assert len(provider.request_log()) == 2, "then the circuit was open"
        time.sleep(0.6)
        assert route() == spare
        assert len(provider.request_log()) == 3, "one tried"
        assert (route(), len(provider.request_log())) == (spare, 3)
        time.sleep(1.1)
        assert [route() for _ in range(3)] == ["c-one/m-one"] * 3
    assert ProviderCircuit.objects.get(client="c-one").state == CircuitState.CLOSED


SAYS = event(delta("Hel"))
WHOLE = [CHUNKED, event(delta("ok")), event(delta(finish="stop")), event(b"[DONE]"), END]
STREAMS: list[tuple[str, list[Any], str]] = [
    ("refused", http(500, b"{}"), "ok"),
    ("nothing", [CHUNKED, END], "ok"),
    ("broken before an event", [CHUNKED, RESET], "ok"),
    ("half an event", [CHUNKED, event(delta("Hello"))[:40], RESET], "ok"),
    ("silent before an event", [CHUNKED, HANG], "ok"),
    ("an error first", [CHUNKED, event({"error": {"message": "no", "code": 503}}), END], "ok"),
    ("no json", [CHUNKED, event(b"{broken"), END], "ok"),
    ("cut", [CHUNKED, SAYS, RESET], ""),
    ("silent", [CHUNKED, SAYS, HANG], ""),
    ("an error later", [CHUNKED, SAYS, event({"error": {"message": "no", "code": 503}}), END], ""),
]
"""The first provider's stream, and what the spare one says in its place; empty where the first has begun."""


@pytest.mark.parametrize("name", [case[0] for case in STREAMS])
def test_no_other_client_continues_a_stream_that_began(name):
    """Up to its first event nothing has left to the client, and another route may take over."""
    [(_, first, said)] = [case for case in STREAMS if case[0] == name]
    _, secret = key()
    with RawProvider(first) as unwell, RawProvider(WHOLE) as second:
        with two_providers(unwell.base_url, second.base_url, "one", IDLE_SECONDS=0.4) as server:
            caller = client(server, secret)
            got: list[str] = []
            try:
                for piece in caller.chat.completions.create(**ask(model="one"), stream=True):
                    got += [choice.delta.content or "" for choice in piece.choices]
                error = ""
            except openai.APIError as caught:
                error = str(caught.code)
    row = last()
    if said:
        assert ("".join(got), error, row.client, row.status) == (said, "", "spare", Status.COMPLETED)
        assert row.route_reason.startswith("c-one/m-one: ")
    else:
        assert ("".join(got), row.client, row.status, row.route_reason) == ("Hel", "c-one", Status.FAILED, "")
        assert error
    assert len(second.bodies) == bool(said)


def test_what_the_policy_does_not_name_ends_the_request(provider):
    """A refused request, an unnamed code, and a model without an alias go to no other client."""
    _, secret = key()
    provider.script([Fault(kind="bad_request", model="m-one"), Fault(kind="server_error", times=0)])
    with SimulatedProviderServer() as second:
        with two_providers(provider.base_url, second.base_url, "one", FALLBACK_ON=["timeout"]) as server:
            caller = client(server, secret)
            with pytest.raises(openai.BadRequestError):
                caller.chat.completions.create(**ask(model="one"))
            for model in ("one", MODEL):
                with pytest.raises(openai.InternalServerError):
                    caller.chat.completions.create(**ask(model=model))
    assert second.request_log() == []
    rows = Interaction.objects.order_by("id").values_list("client", "answered_by", "route_reason")
    assert list(rows) == [("c-one", "", ""), ("c-one", "", ""), ("usual", "", "")]


def test_a_pause_is_kept_and_the_rest_a_last_resort(provider):
    """Where every route is held, requests ask those all the same that nobody has paused."""
    _, secret = key()
    ProviderCircuit.objects.create(
        client="c-one", state=CircuitState.OPEN, retry_at=database_now() + timedelta(hours=1)
    )
    Pause.start(PauseKind.MODEL, f"spare/{SPARE}")
    with SimulatedProviderServer() as second, two_providers(provider.base_url, second.base_url, "one") as server:
        caller = client(server, secret)
        answer = caller.chat.completions.with_raw_response.create(**ask(model="one"))
        assert answer.headers["x-gateway-route"] == "c-one/m-one"
        Pause.start(PauseKind.MODEL, "c-one/*")
        time.sleep(1.1)
        with pytest.raises(openai.InternalServerError) as error:
            caller.chat.completions.create(**ask(model="one"))
    assert (error.value.status_code, error.value.code) == (503, "paused")
    assert second.request_log() == []


@pytest.mark.postgres
def test_a_budget_holds_for_the_dearest_and_pays_each_by_its_own():
    """Reserved is the most that one of them costs. What a lost answer may cost is charged, by its own price, and the
    next route is asked only while there is room for both."""
    usage = {"prompt_tokens": 10, "completion_tokens": 20}
    good = http(200, httpx2.Response(200, json={"choices": [{"message": {"content": "ok"}}], "usage": usage}).content)
    body = ask(model="one", max_tokens=50)
    with RawProvider([HANG]) as first, RawProvider(good) as second:
        with two_providers(first.base_url, second.base_url, "one", IDLE_SECONDS=0.3) as server:

            def post(budget: Decimal) -> tuple[int, Interaction]:
                made, secret = key(budget=budget)
                headers = {"Authorization": f"Bearer {secret}"}
                answer = httpx2.post(f"{server.base_url}/chat/completions", json=body, headers=headers, timeout=20)
                row, meter = last(), KeyMeter.objects.get(pk=made.pk)
                assert (meter.reserved, meter.in_flight) == (0, 0)
                assert ApiKey.objects.get(pk=made.pk).spent == (row.cost or 0)
                return answer.status_code, row

            status, row = post(Decimal(10_000))
            worst = row.reserved_cost / 3  # of the first route; the second costs twice as much
            assert (status, row.provider, row.estimated) == (200, "compatible", "cost")
            assert row.cost == worst + 30 * Decimal("0.2")
            status, row = post(3 * worst)
            assert (status, row.client, row.cost) == (200, "spare", worst + 30 * Decimal("0.2"))
            status, row = post(3 * worst - Decimal("0.01"))
            assert (status, row.status, row.error_code) == (429, Status.FAILED, "insufficient_quota")
            assert (row.client, row.cost, row.reserved_cost) == ("c-one", worst, 2 * worst)
            assert post(2 * worst - Decimal("0.01"))[1].status == Status.REFUSED
    assert (len(first.bodies), len(second.bodies)) == (3, 2)


def test_a_budget_needs_a_price_of_every_route(provider):
    _, secret = key(budget=Decimal(10_000))
    with SimulatedProviderServer() as second, two_providers(provider.base_url, second.base_url, "one") as server:
        ModelPrice.objects.filter(provider="compatible").delete()
        with pytest.raises(openai.BadRequestError) as error:
            client(server, secret).chat.completions.create(**ask(model="one"))
    assert error.value.code == "model_without_price"
    assert provider.request_log() == []


def test_the_cache_knows_an_answer_by_what_gave_it(provider):
    """An alias has the answers of what it goes to now, and none that another route gave."""
    _, secret = key(policy={"cache": "exact"})
    with SimulatedProviderServer() as second:
        clients = {
            "usual": of_first(provider.base_url, MODEL),
            "spare": {"provider": "compatible", "base_url": second.base_url, "model": MODEL},
        }

        def state(server: ThreadServer, model: str) -> tuple[str, str]:
            answer = client(server, secret).chat.completions.with_raw_response.create(**ask(model=model))
            row = last()
            return answer.headers["x-cache"], row.answered_by

        with gateway(clients=clients, ALIASES={"fast": "usual", "other": ["spare", "usual"]}) as server:
            assert state(server, MODEL) == ("MISS", MODEL)
            assert state(server, "fast") == ("HIT", MODEL), "the same client and model"
            assert state(server, "other") == ("MISS", MODEL), "another client"
            assert state(server, "other") == ("HIT", MODEL)
        second.script([Fault(kind="server_error", times=0)])
        with gateway(clients=clients, ALIASES={"fast": "spare/new", "other": ["spare/new", "usual"]}) as server:
            assert state(server, "other") == ("MISS", MODEL), "by its second route"
            assert state(server, "other") == ("MISS", MODEL), "which is not what was looked up"
            with pytest.raises(openai.InternalServerError):
                state(server, "fast")


def test_a_key_may_be_held_to_an_alias(provider):
    """It may use what the alias stands for by that name alone; a key's fallback may be an alias, too."""
    _, secret = key(allowed_models=["one"])
    _, falling = key(policy={"fallback_models": ["one"]})
    provider.script([Fault(kind="server_error", times=0)])
    with SimulatedProviderServer() as second, two_providers(provider.base_url, second.base_url, "one") as server:
        caller = client(server, secret)
        assert [model.id for model in caller.models.list()] == ["one"]
        assert caller.chat.completions.create(**ask(model="one")).choices
        with pytest.raises(openai.NotFoundError):
            caller.chat.completions.create(**ask(model=SPARE))
        answer = client(server, falling).chat.completions.with_raw_response.create(**ask())
    assert answer.headers["x-gateway-model"] == SPARE
    row = last()
    assert (row.model, row.client) == (MODEL, "spare")
    assert row.route_reason == f"usual/{MODEL}: provider_unavailable, c-one/m-one: provider_unavailable"


def test_each_api_takes_the_clients_of_an_alias_that_speak_it(provider):
    _, secret = key()
    clients = {
        "usual": of_first(provider.base_url, MODEL),
        "claude": {"provider": "anthropic", "base_url": provider.base_url, "model": "claude-x", **NAMED},
    }
    body = ask(model="smart", max_tokens=50)
    headers = {"Authorization": f"Bearer {secret}"}
    with gateway(clients=clients, ALIASES={"smart": ["claude", "usual"], "plain": "usual"}) as server:
        for path in ("messages", "chat/completions"):
            assert httpx2.post(f"{server.base_url}/{path}", json=body, headers=headers).status_code == 200
        none = httpx2.post(f"{server.base_url}/messages", json={**body, "model": "plain"}, headers=headers)
    assert [(entry["path"], entry["model"]) for entry in provider.request_log()] == [
        ("/messages", "claude-x"),
        ("/chat/completions", MODEL),
    ]
    assert (none.status_code, none.json()["error"]["type"]) == (404, "not_found_error")
