"""With the first provider dead, a thousand calls finish on the second, and both providers' books agree with ours."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum
from pytest_django import Settings

from orchestration.models import AIRequestAudit, AIResponseAudit, ModelPrice, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.clusters import running_cluster
from tests.paid_once import all_ended, submit
from tests.waiting import until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]
CALLS = 1000
FIRST, SECOND = "gpt-4o", "llama-3.3-70b"
MODELS = {"first": FIRST, "second": SECOND}
PER_MILLION = {("openai", FIRST): (5, 15), ("compatible", SECOND): (2, 3)}
"""Prices of input and output."""


def configure(settings: Settings, monkeypatch: pytest.MonkeyPatch, first: str, second: str) -> None:
    """For this process, and for clusters that start from here on."""
    clients = {
        "first": {
            "provider": "openai",
            "base_url": first,
            "model": FIRST,
            "api_key_envvar": "ORCA_PROVIDER_API_KEY",
        },
        "second": {"provider": "compatible", "base_url": second, "model": SECOND},
    }
    pod = {"MODE": "pod", "CLIENTS": clients, "ROUTES": ["first", "second"]}
    settings.ORCA_CONFIG = pod
    monkeypatch.setenv("ORCA_TEST_CLIENTS", json.dumps(pod))
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
    for (provider, model), (per_input, per_output) in PER_MILLION.items():
        ModelPrice.objects.create(
            provider=provider,
            model=model,
            input_per_million=Decimal(per_input),
            cached_input_per_million=Decimal(per_input),
            output_per_million=Decimal(per_output),
        )


def book(server: SimulatedProviderServer) -> dict[str, Any]:
    """What a provider has in its books: the requests that it saw, and the tokens that it answered with."""
    entries = server.request_log()
    answered = [entry for entry in entries if entry["outcome"] == "answered"]
    return {
        "requests": sorted((entry["correlation"], entry["model"]) for entry in entries),
        "answers": len(answered),
        "input_tokens": sum(entry["input_tokens"] for entry in answered),
        "output_tokens": sum(entry["output_tokens"] for entry in answered),
    }


def audited(client: str) -> dict[str, Any]:
    """The same as the audits have it."""
    rows = AIRequestAudit.objects.filter(client_name=client)
    answers = AIResponseAudit.objects.filter(ai_request__in=rows.filter(outcome="answered"))
    return {
        "requests": sorted(
            (f"{call}:{attempt}:{repair}", model)
            for call, attempt, repair, model in rows.values_list("call_id", "attempt", "repair", "model")
        ),
        "answers": answers.count(),
        **answers.aggregate(**{name: Sum(name, default=0) for name in ("input_tokens", "output_tokens")}),
    }


def assert_books_agree(client: str, server: SimulatedProviderServer) -> None:
    """Every request is audited, and priced under its own model, for which its provider has the same tokens."""
    mine = book(server)
    assert audited(client) == mine
    provider, model = next(each for each in PER_MILLION if each[1] == MODELS[client])
    per_input, per_output = PER_MILLION[provider, model]
    owed = Decimal(mine["input_tokens"] * per_input + mine["output_tokens"] * per_output) / 1_000_000
    answers = AIResponseAudit.objects.filter(ai_request__client_name=client)
    assert answers.aggregate(cost=Sum("cost", default=Decimal(0)))["cost"] == owed
    paid = answers.filter(error_code="")
    assert set(paid.values_list("price__provider", "price__model", "model")) <= {(provider, model, model)}


def test_a_thousand_calls_finish_on_the_second_provider(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No call fails, none is charged a failure, and once the first provider is back so are the calls."""
    with SimulatedProviderServer() as first, SimulatedProviderServer() as second:
        first.script([Fault(kind="reset", times=0)])
        configure(settings, monkeypatch, first.base_url, second.base_url)
        with running_cluster(tmp_path):
            submit(CALLS)
            until(lambda: all_ended(CALLS), "all calls", 300)
            assert ServiceCallRecord.objects.in_status("succeeded").count() == CALLS
            assert set(ServiceCallRecord.objects.values_list("client", "model", "failures")) == {("second", SECOND, 0)}
            assert not ServiceCallRecord.objects.filter(route_reason=None).exists()
            assert_books_agree("first", first)
            assert_books_agree("second", second)
            assert book(first)["answers"] == 0
            assert book(second)["answers"] == CALLS
            first.script([])
            until(lambda: _returns(submit(1)[0]), "a call on the first provider", 60)
        assert_books_agree("first", first)
        assert_books_agree("second", second)
        costs = AIResponseAudit.objects.aggregate(cost=Sum("cost"))["cost"]
        assert ServiceCallRecord.objects.aggregate(cost=Sum("cost"))["cost"] == costs > 0


def _returns(call: ServiceCallRecord) -> bool:
    until(lambda: all_ended(ServiceCallRecord.objects.count()), "the call", 60)
    call.refresh_from_db()
    return call.client == "first"
