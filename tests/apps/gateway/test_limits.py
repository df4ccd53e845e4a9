"""Limits and budgets: the arithmetic of one meter, and fifty requests at once over two processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import openai
import pytest

from apps.accounts.models import ApiKey, BudgetPeriod
from apps.gateway.limits import Demand, admit, levels, refill, settle
from apps.gateway.models import Interaction, KeyMeter, KeyPolicy, Status
from tests.apps.gateway.serving import MODEL, Workers, ask, client, gateway, key, price
from tests.clusters import until

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 2, 27, 12, tzinfo=UTC)


def meter(parallel: int | None = None, **limits: Any) -> KeyMeter:
    """A meter without rows."""
    owner = ApiKey(**limits)
    owner.gateway_policy = KeyPolicy(parallel=parallel)
    made = KeyMeter(api_key=owner)
    refill(made, NOW)
    return made


def test_a_bucket_holds_a_minute_and_refills_steadily():
    made = meter(requests_per_minute=3)
    assert [admit(made, Demand(), NOW) for _ in range(3)] == [None] * 3
    refused = admit(made, Demand(), NOW)
    assert refused is not None and (refused.status, refused.kind, refused.retry_after) == (429, "requests", 20)
    assert levels(made).requests is not None and levels(made).requests.remaining == 0
    refill(made, NOW + timedelta(seconds=20))
    assert admit(made, Demand(), NOW) is None
    refill(made, NOW)  # a clock that goes back gives nothing
    assert admit(made, Demand(), NOW) is not None
    assert made.in_flight == 4


def test_tokens_are_reserved_and_settled_by_what_was_used():
    made = meter(tokens_per_minute=600)
    assert admit(made, Demand(tokens=500), NOW) is None
    refused = admit(made, Demand(tokens=200), NOW)
    assert refused is not None and (refused.kind, refused.retry_after) == ("tokens", 10)
    settle(made, reserved_cost=Decimal(0), reserved_tokens=500, tokens=50)
    assert admit(made, Demand(tokens=200), NOW) is None
    settle(made, reserved_cost=Decimal(0), reserved_tokens=200, tokens=900)  # more than was asked for: a debt
    assert made.tokens_available == -350 and made.in_flight == 0
    empty = meter(tokens_per_minute=600)
    assert admit(empty, Demand(tokens=5000), NOW) is None, "what never fits goes when the bucket is full"
    assert admit(empty, Demand(tokens=1), NOW) is not None


def test_parallel_places_and_what_hits_do_not_take():
    made = meter(parallel=2, budget=Decimal(1))
    assert [admit(made, Demand(cost=Decimal("0.5")), NOW) for _ in range(2)] == [None] * 2
    refused = admit(made, Demand(), NOW)
    assert refused is not None and (refused.kind, refused.retry_after) == ("parallel", 1)
    assert admit(made, Demand(runs=False), NOW) is None


@pytest.mark.parametrize(
    ("period", "wait"),
    [(BudgetPeriod.NONE, None), (BudgetPeriod.DAY, 12 * 3600), (BudgetPeriod.MONTH, 36 * 3600)],
)
def test_a_budget_reserves_the_worst_case_and_starts_again(period, wait):
    made = meter(budget=Decimal(10), budget_period=period)
    assert admit(made, Demand(cost=Decimal(6)), NOW) is None
    refused = admit(made, Demand(cost=Decimal(6)), NOW)
    assert refused is not None and (refused.code, refused.retry_after, refused.final) == (
        "insufficient_quota",
        1,
        False,
    )
    settle(made, reserved_cost=Decimal(6), reserved_tokens=0, tokens=0)
    made.api_key.spent = Decimal(5)
    refused = admit(made, Demand(cost=Decimal(6)), NOW)
    assert refused is not None and (refused.retry_after, refused.final) == (wait, True)
    refill(made, NOW + timedelta(seconds=wait or 10**8))
    assert (admit(made, Demand(cost=Decimal(6)), NOW) is None) is (wait is not None)


def test_headers_tell_the_truth_and_no_price_means_no_budget(provider):
    price()
    _, limited = key(requests_per_minute=2, tokens_per_minute=60)
    _, budgeted = key(budget=Decimal(1000))
    with gateway(provider.base_url) as server:
        first = client(server, limited).chat.completions.with_raw_response.create(**ask(max_tokens=30))
        with pytest.raises(openai.RateLimitError) as refused:
            client(server, limited).chat.completions.create(**ask(max_tokens=60))
        with pytest.raises(openai.BadRequestError) as unpriced:
            client(server, budgeted).chat.completions.create(**ask() | {"model": "nobody-knows"})
        with pytest.raises(openai.RateLimitError) as poor:
            client(server, budgeted).chat.completions.create(**ask(max_tokens=20_000))
        client(server, budgeted).chat.completions.create(**ask(max_tokens=1000))
    headers = first.headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == ("60", "26")
    assert headers["x-ratelimit-reset-requests"] == "30.000s"
    assert refused.value.type == "tokens" and int(refused.value.response.headers["retry-after"]) <= 13
    assert unpriced.value.code == "model_without_price" and unpriced.value.param == "model"
    assert poor.value.code == "insufficient_quota" and poor.value.response.headers["x-should-retry"] == "false"
    assert set(Interaction.objects.exclude(status=Status.COMPLETED).values_list("status", flat=True)) == {
        Status.REFUSED
    }


async def flood(urls: list[str], secrets: list[str], times: int, body: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Every secret `times`, all at once, to the servers in turn: (secret, status, error code)."""

    async def one(session: aiohttp.ClientSession, secret: str, url: str) -> tuple[str, int, str]:
        headers = {"Authorization": f"Bearer {secret}"}
        async with session.post(f"{url}/chat/completions", json=body, headers=headers) as answer:
            told = await answer.json()
            return secret, answer.status, told.get("error", {}).get("code", "")

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        return await asyncio.gather(
            *(one(session, secret, urls[n % len(urls)]) for n in range(times) for secret in secrets)
        )


@pytest.mark.postgres
def test_fifty_at_once_over_two_processes_never_pass_a_limit(tmp_path, provider):
    """A budget for ten lets ten through; so do a request limit and parallel places; the rows and the provider agree."""
    price(per_million="100000")  # a token costs 0.1
    provider.simulation.latency_ms = 1500  # so that all of them are there before the first one ends
    body = ask("x" * 92, max_tokens=100)  # at worst 100 + 100 tokens: 20
    budgeted, poor = key(budget=Decimal(200))
    limited, eager = key(requests_per_minute=10)
    narrow, wide = key(policy={"parallel": 10})
    processes = [Workers(1, provider.base_url, tmp_path / f"log{number}") for number in (1, 2)]
    with processes[0], processes[1]:
        answers = asyncio.run(flood([each.base_url for each in processes], [poor, eager, wide], 50, body))
        told = Counter((secret, status) for secret, status, _ in answers)
        assert told == {(each, status): n for each in (poor, eager, wide) for status, n in ((200, 10), (429, 40))}
        codes = {(secret, code) for secret, status, code in answers if status == 429}
        limit = "rate_limit_exceeded"
        assert codes == {(poor, "insufficient_quota"), (eager, limit), (wide, limit)}
        until(lambda: not Interaction.objects.in_flight().exists(), "all ended", 10)
        workers_seen = set(Interaction.objects.filter(status=Status.COMPLETED).values_list("worker", flat=True))
        assert len(workers_seen) == 2, "both processes took part"

    for made in (budgeted, limited, narrow):
        rows = Interaction.objects.filter(api_key=made)
        assert Counter(rows.values_list("status", flat=True)) == {Status.COMPLETED: 10, Status.REFUSED: 40}
        state = KeyMeter.objects.select_related("api_key").get(pk=made.pk)
        assert (state.reserved, state.in_flight) == (0, 0)
        assert state.api_key.spent == sum(row.cost for row in rows if row.cost is not None)
    assert ApiKey.objects.get(pk=budgeted.pk).spent <= 200
    assert len(provider.ledger()) == 30
    assert MODEL in {entry["model"] for entry in provider.ledger()}
