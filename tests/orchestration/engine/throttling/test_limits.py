"""Rate limits: buckets, admission under concurrency, seeding, and feedback of answers."""

import asyncio
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.conf import LimitSettings
from orchestration.engine.execution.commands import OpenRequest, StoreAnswer
from orchestration.engine.execution.throttle_feedback import apply_observations, reserve_shown
from orchestration.engine.queue.claim import claim
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.throttling.snapshot import Limits, seed
from orchestration.engine.throttling.token_bucket import Bucket
from orchestration.errors import CallHeld, InvalidCall
from orchestration.models import AIResponseAudit, RateLimit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.routes import RoutePattern
from orchestration.testing import drain
from tests.engineapp.orca.services import triage
from tests.orchestration.factories import queued, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ROUTE = {"client": "default", "model_requested": "gpt-4o-mini"}
OTHER = {"client": "default", "model_requested": "o3"}


def limit(pattern="default/gpt-4o-mini", **fields):
    return RateLimit.objects.create(pattern=pattern, **fields)


def fresh(row):
    return RateLimit.objects.get(pk=row.pk)


@pytest.mark.parametrize("per_minute", [1, 2, 7, 60, 500, 10_000])
def test_a_bucket_grants_no_more_than_its_limit_in_any_minute(per_minute):
    bucket, available, now, taken = Bucket(per_minute), float(Bucket(per_minute).capacity), 0.0, []
    step = 60 / per_minute / 3
    for _ in range(per_minute * 8):  # more than two minutes of asking three times as often as allowed
        available = bucket.filled(available, step)
        now += step
        if bucket.fits(available):
            available -= 1
            taken.append(now)
    most = max(sum(start <= at < start + 60 for at in taken) for start in taken[:: max(1, len(taken) // 50)])
    assert most <= per_minute
    assert len([at for at in taken if at <= 120]) >= 2 * per_minute * 0.85 - 1


def test_a_request_over_the_capacity_waits_for_a_full_bucket():
    bucket = Bucket(1000)
    assert bucket.fits(100.0, 5000) == 1
    assert bucket.fits(99.0, 5000) == 0
    assert bucket.fits(-4900.0, 1) == 0
    assert bucket.seconds_until(50.0, 5000) == pytest.approx(50 / bucket.rate)


def test_a_claim_takes_what_fits_and_leaves_the_rest_untouched():
    limit(requests_per_minute=30)  # three at once
    limited = [queued(**ROUTE) for _ in range(10)]
    free = [queued(**OTHER) for _ in range(5)]
    taken = {record.pk for record in claim(8, "w1")}
    assert taken == {record.pk for record in [*limited[:3], *free]}
    assert ServiceCallRecord.objects.queued().filter(attempts=0, lease_token=0).count() == 7


def test_several_limits_hold_together():
    limit("default/*", parallel=4)
    limit("default/o3", requests_per_minute=10)
    for _ in range(5):
        queued(**OTHER)
        queued(**ROUTE)
    taken = [record.model_requested for record in claim(10, "w1")]
    assert sorted(taken) == ["gpt-4o-mini"] * 3 + ["o3"]


def test_parallel_counts_running_calls_everywhere():
    """A finished call makes room."""
    limit(parallel=2)
    other = running(worker="another node", **ROUTE)
    for _ in range(3):
        queued(**ROUTE)
    assert len(claim(5, "w1")) == 1
    assert claim(5, "w2") == []
    ServiceCallRecord.objects.filter(pk=other.pk).update(status="succeeded", finished_at=timezone.now())
    assert len(claim(5, "w2")) == 1


def test_tokens_are_reserved_by_the_usual_use_of_a_request():
    limit(tokens_per_minute=10_000, tokens_per_request=300)  # a thousand at once
    for _ in range(5):
        queued(**ROUTE)
    assert len(claim(5, "w1")) == 3


def test_without_limits_a_claim_asks_nothing_more_than_before(django_assert_num_queries):
    queued(**ROUTE)
    limits = Limits()
    limits.snapshot()
    with django_assert_num_queries(5):  # is anything due, savepoint, pick, take, release
        assert len(claim(1, "w1", limits)) == 1


def test_answers_that_teach_nothing_new_cost_no_query(django_assert_num_queries):
    op = answer(queued(**ROUTE))
    limits = Limits()
    limits.snapshot()
    with django_assert_num_queries(0):
        apply_observations([op], limits)


def claim_in_threads(count, rounds=6):
    barrier, taken = Barrier(count), []

    def work(number):
        try:
            barrier.wait(10)
            for _ in range(rounds):
                taken.extend(record.pk for record in claim(4, f"w{number}", Limits(cache_seconds=0)))
        finally:
            connection.close()

    threads = [Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return taken


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fields", [{"parallel": 7}, {"requests_per_minute": 70}, {"tokens_per_minute": 70_000}])
def test_concurrent_claims_never_exceed_the_limit(fields):
    limit(**fields)
    for _ in range(40):
        queued(**ROUTE)
    taken = claim_in_threads(4)
    # A parallel limit is exact; a bucket of 7 refills with about 1.05 a second while the threads run.
    assert 7 <= len(taken) == len(set(taken)) <= (7 if "parallel" in fields else 15)
    row = RateLimit.objects.get()
    if "requests_per_minute" in fields:
        assert row.requests_available >= 0


# --- settings and rows ----------------------------------------------------------------------


def test_rows_follow_the_settings_until_somebody_edits_them():
    seed({"default/o3": LimitSettings(parallel=3)})
    seed({"default/o3": LimitSettings(parallel=5)})
    assert RateLimit.objects.get().parallel == 5
    RateLimit.objects.update(source="admin", parallel=1)
    seed({"default/o3": LimitSettings(parallel=7)})
    assert RateLimit.objects.get().parallel == 1
    RateLimit.objects.update(source="settings")
    seed({})
    assert not RateLimit.objects.exists()


def test_limits_of_the_settings_hold_without_anybody_making_rows(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "LIMITS": {"default/gpt-4o-mini": {"parallel": 1}}}
    queued(**ROUTE)
    queued(**ROUTE)
    assert len(claim(5, "w1")) == 1


@pytest.mark.parametrize(
    ("pattern", "route", "matches"),
    [
        ("default/o3", ("default", "o3"), True),
        ("default/o3", ("default", "o3-mini"), False),
        ("default/o3*", ("default", "o3-mini"), True),
        ("*/o3", ("second", "o3"), True),
        ("default/*", ("second", "o3"), False),
        ("default/meta/llama*", ("default", "meta/llama-3"), True),
    ],
)
def test_a_pattern_means_the_same_to_python_and_to_the_database(pattern, route, matches):
    record = queued(client=route[0], model_requested=route[1])
    assert RoutePattern.parse(pattern).matches(record.route) is matches
    assert ServiceCallRecord.objects.filter(RoutePattern.parse(pattern).condition()).exists() is matches


def test_a_call_knows_its_route_when_it_is_queued():
    plain = submit(CallSpec(service=triage.Triage, context={"ticket": "x"}))
    chosen = submit(CallSpec(service=triage.Triage, context={"ticket": "x"}, model="o3"))
    assert str(plain.route) == "default/gpt-4o-mini"
    assert str(chosen.route) == "default/o3"


def test_a_pattern_that_is_none_is_refused_with_how_to_write_it():
    with pytest.raises(InvalidCall, match='write "client/model"'):
        RoutePattern.parse("o3")


# --- what answers teach ---------------------------------------------------------------------


def answer(call, *, tokens=0, error_code="", headers=None, retry_after=None, repair=0):
    request = request_audit(call, client_name="default", repair=repair)
    row = AIResponseAudit(ai_request=request, call=call, total_tokens=tokens, error_code=error_code)
    return StoreAnswer(
        lease=None, record=call, answer=row, outcome=Outcome.ANSWERED, headers=headers or {}, retry_after=retry_after
    )


def test_real_use_replaces_the_reservation_and_sets_the_next_one():
    row = limit(tokens_per_minute=100_000, tokens_per_request=1000)
    call = queued(**ROUTE)
    claim(1, "w1")
    assert fresh(row).tokens_available == pytest.approx(9000, abs=1)
    apply_observations([answer(call, tokens=4000)], Limits())
    row = fresh(row)
    assert row.tokens_available == pytest.approx(6000, abs=1)
    assert row.tokens_per_request == pytest.approx(1300)


def test_what_a_call_shows_is_reserved_before_it_is_counted():
    """Beside what a usual call takes; a call that shows more than is left still gets its turn."""
    row = limit(tokens_per_minute=100_000, tokens_per_request=1000)
    shown = [
        {"part": "image", "url": "https://a.example.com/a.png"},
        {"part": "file", "url": "https://a.example.com/a"},
    ]
    first, second = (queued(**ROUTE, context={"shown": shown * each}) for each in (1, 10))
    third = queued(**ROUTE)
    assert {call.pk for call in claim(3, "w1")} == {first.pk, second.pk}
    assert fresh(row).tokens_available == pytest.approx(10_000 - 2_000 - 33_000, abs=1)
    answers = [answer(first, tokens=3800), answer(second, tokens=31_000)]
    apply_observations(answers, Limits())
    row = fresh(row)
    assert row.tokens_available == pytest.approx(10_000 - 34_800, abs=1)
    assert row.tokens_per_request == pytest.approx(1000 + (1 - 0.9**2) * (900 - 1000))
    third.refresh_from_db()
    assert third.status == "queued"


def test_what_only_a_prompt_shows_is_reserved_when_it_is_sent():
    """Once, and given back with the answer; what the call shows itself was reserved by its claim."""
    row = limit(tokens_per_minute=100_000, tokens_per_request=1000)
    image, paper = ({"part": kind, "url": "https://a.example.com/a"} for kind in ("image", "file"))
    call = queued(**ROUTE, context={"shown": [image]})
    claim(1, "w1")
    assert fresh(row).tokens_available == pytest.approx(8000, abs=1)
    stored = answer(call, tokens=3900)
    request = stored.answer.ai_request
    request.messages = [{"role": "user", "content": [image, paper]}]
    repair = request_audit(call, client_name="default", repair=1)
    repair.messages = request.messages
    reserve_shown([OpenRequest(lease=None, record=call, request=each) for each in (request, repair)], Limits())
    assert fresh(row).tokens_available == pytest.approx(6000, abs=1)
    apply_observations([stored], Limits())
    assert fresh(row).tokens_available == pytest.approx(10_000 - 3900, abs=1)
    assert fresh(row).tokens_per_request == pytest.approx(1000 + 0.1 * (900 - 1000))


@pytest.mark.parametrize(("tokens", "repairs"), [(2_147_483_647, 0), (250_000, 1), (0, 5000)])
def test_a_debt_is_never_more_than_one_window(tokens, repairs):
    row = limit(tokens_per_minute=100_000, requests_per_minute=60)
    call = queued(**ROUTE)
    claim(1, "w1")
    apply_observations([answer(call, tokens=tokens, repair=number) for number in range(repairs + 1)], Limits())
    row = fresh(row)
    assert row.tokens_available >= -100_000
    assert row.requests_available >= -60
    assert Bucket(100_000).seconds_until(row.tokens_available, row.tokens_per_request) < 150


def test_a_failed_request_refunds_tokens_and_a_repair_costs_one():
    row = limit(tokens_per_minute=100_000, requests_per_minute=100)
    call = queued(**ROUTE)
    claim(1, "w1")
    apply_observations([answer(call, error_code="timeout"), answer(call, tokens=10, repair=1)], Limits())
    assert fresh(row).tokens_available == pytest.approx(9990, abs=1)
    assert fresh(row).requests_available == pytest.approx(8, abs=0.1)


def test_a_429_with_retry_after_holds_the_route_without_a_limit():
    """It holds it for everybody."""
    call = queued(**ROUTE)
    apply_observations([answer(call, error_code="rate_limited", retry_after=30)], Limits())
    row = RateLimit.objects.get()
    assert (row.pattern, row.source) == ("default/gpt-4o-mini", "provider")
    assert timedelta(seconds=28) < row.blocked_until - timezone.now() <= timedelta(seconds=30)
    other = queued(**OTHER)
    assert [record.pk for record in claim(5, "another node")] == [other.pk]
    RateLimit.objects.update(blocked_until=timezone.now())
    assert [record.pk for record in claim(5, "another node")] == [call.pk]


def test_a_shorter_wait_does_not_shorten_a_longer_one():
    call = queued(**ROUTE)
    apply_observations([answer(call, error_code="rate_limited", retry_after=30)], Limits())
    apply_observations([answer(call, error_code="rate_limited", retry_after=1)], Limits())
    assert RateLimit.objects.get().blocked_until - timezone.now() > timedelta(seconds=28)


def test_the_provider_is_believed_when_it_counts_less_left():
    row = limit(requests_per_minute=100, tokens_per_minute=100_000)
    call = queued(**ROUTE)
    claim(1, "w1")
    told = {"x-ratelimit-remaining-requests": "2", "x-ratelimit-remaining-tokens": "50"}
    apply_observations([answer(call, tokens=1000, headers=told)], Limits())
    assert (fresh(row).requests_available, fresh(row).tokens_available) == (2.0, 50.0)


@pytest.mark.parametrize("what", ["requests", "tokens"])
def test_nothing_left_at_the_provider_holds_routes_until_reset(what):
    told = {f"x-ratelimit-remaining-{what}": "0", f"x-ratelimit-reset-{what}": "1m30s"}
    apply_observations([answer(queued(**ROUTE), tokens=5, headers=told)], Limits())
    wait = RateLimit.objects.get().blocked_until - timezone.now()
    assert timedelta(seconds=88) < wait <= timedelta(seconds=90)


@pytest.mark.parametrize("asked", ["9" * 5000, "1e300", "-1", "nan", "", "2.5"])
def test_an_odd_count_of_what_is_left_teaches_nothing(asked):
    row = limit(requests_per_minute=100, requests_available=50, refilled_at=timezone.now())
    apply_observations([answer(queued(**ROUTE), headers={"x-ratelimit-remaining-requests": asked})], Limits())
    assert fresh(row).requests_available == 50


@pytest.mark.parametrize("reset", ["24h0m0s", "86400", "Fri, 31 Dec 9999 23:59:59 GMT", "4102444800000"])
def test_a_distant_reset_holds_the_route_no_longer_than_the_cap(reset):
    told = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    apply_observations([answer(queued(**ROUTE), tokens=5, headers=told)], Limits())
    row = RateLimit.objects.get()
    assert row.blocked_until - timezone.now() <= timedelta(seconds=600)
    assert row.asked_seconds >= 86_400


def test_a_429_holds_the_queue_until_the_provider_allows_it():
    """The whole way from the provider's answer to the next claim."""
    first, second = (submit(CallSpec(service=triage.Triage, context={"ticket": "x"})) for _ in range(2))
    limit(parallel=1)
    with scripted(Fault(kind="rate_limit", retry_after=60)) as simulation:
        drain()
    assert len(simulation.request_log.entries) == 1
    second.refresh_from_db()
    assert (second.status, second.attempts) == ("queued", 0)
    first.refresh_from_db()
    assert (first.status, first.attempts) == ("queued", 1)


@pytest.mark.django_db(transaction=True)
def test_a_provider_that_asks_for_a_month_is_granted_ten_minutes():
    call = submit(CallSpec(service=triage.Triage, context={"ticket": "x"}))
    with scripted(Fault(kind="rate_limit", retry_after=30 * 86_400)):
        drain()
    call.refresh_from_db()
    row = RateLimit.objects.get()
    latest = timezone.now() + timedelta(seconds=600)
    assert (call.status, call.attempts) == ("queued", 1)
    assert latest - timedelta(seconds=60) < call.due_at <= latest
    assert latest - timedelta(seconds=60) < row.blocked_until <= latest
    assert row.asked_seconds == 30 * 86_400
    told = AIResponseAudit.objects.get().execution_metadata
    assert told["retry_after"] == 30 * 86_400
    assert told["capped"] == "The provider asked to wait 2,592,000 s, capped at 600 s."


@pytest.mark.django_db(transaction=True)
def test_an_immediate_caller_waits_for_the_limit_and_continues():
    limit(requests_per_minute=60, requests_available=0.2, refilled_at=timezone.now())
    response = asyncio.run(triage.Triage.using(context={"ticket": "x"}).execute())
    assert response.structured_data is not None
    assert RateLimit.objects.get().requests_available < 0.5


@pytest.mark.django_db(transaction=True)
def test_a_caller_who_would_wait_too_long_is_told_so(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "REQUEST_TIMEOUT_SECONDS": 0.3}
    limit(requests_per_minute=1, requests_available=0, refilled_at=timezone.now())
    with pytest.raises(CallHeld, match="The rate limit of default/gpt-4o-mini is used up") as caught:
        asyncio.run(triage.Triage.using(context={"ticket": "x"}).execute())
    assert caught.value.retryable
    assert not ServiceCallRecord.objects.exists()
