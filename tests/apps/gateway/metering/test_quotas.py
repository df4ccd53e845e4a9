"""Limits and budgets: the arithmetic of one meter, and fifty requests at once over two processes."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import openai
import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from apps.accounts.models import ApiKey, BudgetPeriod
from apps.gateway.conf import gateway_settings
from apps.gateway.maintenance.orphan_requests import longest, sweep
from apps.gateway.metering.quotas import Demand, admit, levels, refill, settle
from apps.gateway.metering.token_estimate import MEDIA_TOKENS, MESSAGE_TOKENS, Size, size_of
from apps.gateway.models import Endpoint, GatewayWorker, Interaction, KeyMeter, KeyPolicy, Status
from apps.gateway.recording.flush import flush
from apps.gateway.recording.operations import Close, Open
from tests.apps.gateway.raw_provider import GOOD, HELD, RawProvider, http
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
    assert refused is not None
    assert (refused.status, refused.kind, refused.retry_after) == (429, "requests", 20)
    assert levels(made).requests is not None
    assert levels(made).requests.remaining == 0
    refill(made, NOW + timedelta(seconds=20))
    assert admit(made, Demand(), NOW) is None
    refill(made, NOW)  # a clock that goes back gives nothing
    assert admit(made, Demand(), NOW) is not None
    assert made.in_flight == 4


@pytest.mark.parametrize("used", [601, 2_147_483_647, 10**15])
def test_a_count_of_tokens_that_is_wrong_is_a_minutes_debt(used: int) -> None:
    made = meter(tokens_per_minute=600)
    assert admit(made, Demand(tokens=1), NOW) is None
    settle(made, reserved_cost=Decimal(0), cost=Decimal(0), reserved_tokens=1, tokens=used)
    later = NOW + timedelta(minutes=2)
    refill(made, later)
    assert admit(made, Demand(tokens=600 if used > 10_000 else 1), later) is None


def test_tokens_are_reserved_and_settled_by_what_was_used():
    made = meter(tokens_per_minute=600)
    assert admit(made, Demand(tokens=500), NOW) is None
    refused = admit(made, Demand(tokens=200), NOW)
    assert refused is not None
    assert (refused.kind, refused.retry_after) == ("tokens", 10)
    free = {"reserved_cost": Decimal(0), "cost": Decimal(0)}
    settle(made, **free, reserved_tokens=500, tokens=50)
    assert admit(made, Demand(tokens=200), NOW) is None
    settle(made, **free, reserved_tokens=200, tokens=900)  # more than was asked for: a debt
    assert made.tokens_available == -350
    assert made.in_flight == 0
    empty = meter(tokens_per_minute=600)
    assert admit(empty, Demand(tokens=5000), NOW) is None, "what never fits goes when the bucket is full"
    assert admit(empty, Demand(tokens=1), NOW) is not None


def test_parallel_places_and_what_hits_do_not_take():
    made = meter(parallel=2, budget=Decimal(1))
    assert [admit(made, Demand(cost=Decimal("0.5")), NOW) for _ in range(2)] == [None] * 2
    refused = admit(made, Demand(), NOW)
    assert refused is not None
    assert (refused.kind, refused.retry_after) == ("parallel", 1)
    assert admit(made, Demand(runs=False), NOW) is None


def test_the_size_of_a_request_is_its_worst_case():
    def worst(*content: Any, **message: Any) -> int:
        body = {
            "messages": [{"role": "user", "content": content[0] if len(content) == 1 else list(content), **message}]
        }
        return size_of(body, default_output=7).worst_prompt - MESSAGE_TOKENS

    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 90_000}"}}
    file = {"type": "file", "file": {"file_data": "A" * 90_000}}
    assert worst("zwölf") == worst([{"type": "text", "text": text} for text in ("zwö", "lf")]) == 6
    assert worst([image, image]) == 2 * MEDIA_TOKENS
    assert worst([file, file]) > 180_000
    assert worst("", name="x" * 100) > 100
    assert worst(None, tool_calls=[{"id": "x" * 100}]) > 100
    said = ask("x" * 92)
    assert size_of(said, default_output=7) == Size(25, 100, 7)
    assert size_of(said | {"tools": ["x" * 100]}, default_output=7).worst_prompt > 200
    assert size_of(said | {"max_tokens": 5, "n": 3}, default_output=7).output == 15
    assert size_of(said | {"documents": ["x" * 100]}, default_output=7).worst_prompt > 200, "a field of one server"
    assert worst({"type": "text", "text": "x" * 100}) == 100
    assert worst({"type": "image_url", "text": "", "image_url": {}}) == MEDIA_TOKENS
    assert size_of({"input": "x" * 9}, Endpoint.EMBEDDINGS, default_output=7) == Size(3, 9, 0)


@pytest.mark.parametrize(
    ("endpoint", "fields", "output"),
    [
        ("chat", {"max_tokens": 5, "max_completion_tokens": 4}, 5),
        ("chat", {"max_tokens": "5"}, 5),
        ("chat", {"max_tokens": 5.0, "n": "3"}, 15),
        ("chat", {"max_output_tokens": 1}, 7),
        ("chat", {"max_tokens": -1}, 7),
        ("chat", {"max_tokens": True}, 7),
        ("chat", {"max_tokens": "many"}, 7),
        ("completions", {"max_completion_tokens": 1}, 7),
        ("completions", {"max_tokens": 5, "best_of": 2}, 10),
        ("completions", {"max_tokens": 5, "prompt": ["a", "b"]}, 10),
        ("responses", {"max_tokens": 1}, 7),
        ("responses", {"max_output_tokens": 5}, 5),
    ],
)
def test_an_answer_is_bounded_by_what_its_provider_looks_at(endpoint, fields, output):
    """As servers read it, that take a text for a number; a field of another endpoint is not a bound."""
    assert size_of(fields, endpoint, default_output=7).output == output


@pytest.mark.parametrize(
    ("period", "wait"),
    [(BudgetPeriod.NONE, None), (BudgetPeriod.DAY, 12 * 3600), (BudgetPeriod.MONTH, 36 * 3600)],
)
def test_a_budget_reserves_the_worst_case_and_starts_again(period, wait):
    made = meter(budget=Decimal(10), budget_period=period)
    assert admit(made, Demand(cost=Decimal(6)), NOW) is None
    refused = admit(made, Demand(cost=Decimal(6)), NOW)
    assert refused is not None
    assert (refused.code, refused.retry_after, refused.final) == (
        "insufficient_quota",
        1,
        False,
    )
    settle(made, reserved_cost=Decimal(6), reserved_tokens=0, cost=Decimal(5), tokens=0)
    assert (made.reserved, made.api_key.spent) == (0, 5)
    refused = admit(made, Demand(cost=Decimal(6)), NOW)
    assert refused is not None
    assert (refused.retry_after, refused.final) == (wait, True)
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
    assert refused.value.type == "tokens"
    assert int(refused.value.response.headers["retry-after"]) <= 13
    assert unpriced.value.code == "model_without_price"
    assert unpriced.value.param == "model"
    assert poor.value.code == "insufficient_quota"
    assert poor.value.response.headers["x-should-retry"] == "false"
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
@pytest.mark.long
def test_fifty_at_once_over_two_processes_never_pass_a_limit(tmp_path):
    """A budget for ten lets ten through; so do a request limit and parallel places; the rows and the provider agree.

    The provider holds its answers until all were judged, and no time passes for the request limit.
    """
    price(per_million="100000")  # a token costs 0.1
    body = ask("x" * 92, max_tokens=100)  # at worst 100 + 100 tokens: 20
    budgeted, poor = key(budget=Decimal(200))
    limited, eager = key(requests_per_minute=10)
    KeyMeter.objects.create(api_key=limited, requests_available=10, refilled_at=timezone.now() + timedelta(days=1))
    narrow, wide = key(policy={"parallel": 10})
    logs = [tmp_path / "log1", tmp_path / "log2"]
    with RawProvider([HELD, *http(200, json.dumps(GOOD).encode())]) as provider:
        processes = [Workers(1, provider.base_url, log, LEASE_SECONDS=60) for log in logs]
        with processes[0], processes[1], ThreadPoolExecutor() as pool:
            flooding = pool.submit(
                lambda: asyncio.run(flood([each.base_url for each in processes], [poor, eager, wide], 50, body))
            )
            try:
                until(lambda: Interaction.objects.count() == 150, "all are judged", 60)
                assert KeyMeter.objects.get(pk=budgeted.pk).reserved == 200
                assert KeyMeter.objects.get(pk=narrow.pk).in_flight == 10
            finally:
                provider.release()
            answers = flooding.result(60)
        until(lambda: not Interaction.objects.in_flight().exists(), "all ended", 10)
    told = Counter((secret, status) for secret, status, _ in answers)
    assert told == {(each, status): n for each in (poor, eager, wide) for status, n in ((200, 10), (429, 40))}
    codes = {(secret, code) for secret, status, code in answers if status == 429}
    limit = "rate_limit_exceeded"
    assert codes == {(poor, "insufficient_quota"), (eager, limit), (wide, limit)}
    # Of the refused as well: whose requests got through is up to the scheduler.
    workers_seen = set(Interaction.objects.values_list("worker", flat=True))
    assert len(workers_seen) == 2, "both processes took part"
    for made in (budgeted, limited, narrow):
        rows = Interaction.objects.filter(api_key=made)
        assert Counter(rows.values_list("status", flat=True)) == {Status.COMPLETED: 10, Status.REFUSED: 40}
        state = KeyMeter.objects.select_related("api_key").get(pk=made.pk)
        assert (state.reserved, state.in_flight) == (0, 0)
        assert state.api_key.spent == sum(row.cost for row in rows if row.cost is not None) == 12
    assert [body["model"] for body in provider.bodies] == [MODEL] * 30


def begun(made: ApiKey, request_id: str) -> Open:
    """A request of a minute ago, in a process that nobody hears of; a token costs 0.1."""
    row = Interaction(request_id=request_id, api_key=made, user_id=str(made.owner_id), model=MODEL, provider="openai")
    row.timestamp, row.worker = timezone.now() - timedelta(minutes=1), "silent"
    return Open(row, size=Size(likely_prompt=0, worst_prompt=100, output=100), targets=(("openai", MODEL),))


def spent(made: ApiKey) -> Decimal:
    return ApiKey.objects.get(pk=made.pk).spent


@pytest.mark.postgres
def test_a_slow_process_taken_for_dead_does_not_pass_the_budget():
    """The worst case stays charged while nobody knows; the late end puts in its place what it was, once."""
    price()
    made, _ = key(budget=Decimal(30), tokens_per_minute=1000)
    began = time.monotonic()
    slow = begun(made, "slow")
    assert flush([slow])[0].refusal is None
    assert sweep() == 1
    meter = KeyMeter.objects.get(pk=made.pk)
    assert (spent(made), meter.reserved, meter.in_flight) == (20, 0, 0)
    refused = flush([begun(made, "next")])[0].refusal
    assert refused is not None
    assert refused.code == "insufficient_quota"
    slow.row.status, slow.row.prompt_tokens, slow.row.response_tokens = Status.COMPLETED, 30, 20
    for _ in range(2):  # the second time as after a commit whose confirmation was lost
        flush([Close(slow.row)], again=True)
        assert spent(made) == 5
    assert Interaction.objects.get(request_id="slow").cost == 5
    refilled = (time.monotonic() - began) * 1000 / 60
    assert 949 <= KeyMeter.objects.get(pk=made.pk).tokens_available <= 951 + refilled
    assert flush([begun(made, "at last")])[0].refusal is None


@pytest.mark.postgres
def test_what_a_living_process_gave_up_is_found_by_its_age():
    made, _ = key()
    GatewayWorker.objects.create(pk="silent")
    young, old = begun(made, "young"), begun(made, "old")
    old.row.timestamp -= longest(gateway_settings())
    flush([young, old])
    assert sweep() == 1
    assert Interaction.objects.get(status=Status.UNKNOWN).request_id == "old"


@pytest.mark.parametrize("committed", [True, False])
def test_a_connection_lost_at_the_commit_changes_no_decision(provider, monkeypatch, committed):
    """Each batch fails once, after or before it was committed: one row a request, charged once, refused for good."""
    price()
    made, secret = key(budget=Decimal(10_000))

    def breaking(ops: list[Open | Close], again: bool) -> Any:
        if again:
            return flush(ops, again)
        with transaction.atomic():
            flush(ops)
            transaction.set_rollback(not committed)
        raise OperationalError("the connection broke")

    monkeypatch.setattr("apps.gateway.recording.batch_writer.flush", breaking)
    with gateway(provider.base_url) as server:
        caller = client(server, secret)
        answer = caller.chat.completions.with_raw_response.create(**ask())
        with pytest.raises(openai.RateLimitError):
            caller.chat.completions.create(**ask(max_tokens=1_000_000))
    assert [row.status for row in Interaction.objects.order_by("id")] == [Status.COMPLETED, Status.REFUSED]
    assert spent(made) == Interaction.objects.earliest("id").cost == Decimal(answer.headers["x-gateway-cost"]) > 0
    assert len(provider.request_log()) == 1
