"""Rate limits: buckets, the gate of the claim under concurrency, seeding, and what answers teach."""

import asyncio
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.conf import LimitSettings
from orchestration.engine.bucket import Bucket
from orchestration.engine.claim import claim
from orchestration.engine.feedback import learn, seconds_of
from orchestration.engine.limits import Limits, seed
from orchestration.engine.ops import StoreAnswer
from orchestration.engine.submit import CallSpec, submit
from orchestration.errors import CallHeld, InvalidCall
from orchestration.lanes import LanePattern
from orchestration.models import AIResponseAudit, RateLimit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.providers.faults import Fault
from orchestration.providers.simulator import scripted
from orchestration.testing import run_due_calls
from tests.engineapp.orca.services import triage
from tests.orchestration.factories import queued, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LANE = {"client": "default", "model_requested": "gpt-4o-mini"}
OTHER = {"client": "default", "model_requested": "o3"}


def limit(pattern="default/gpt-4o-mini", **fields):
    return RateLimit.objects.create(pattern=pattern, **fields)


def fresh(row):
    return RateLimit.objects.get(pk=row.pk)


@pytest.mark.parametrize("per_minute", [1, 2, 7, 60, 500, 10_000])
def test_a_bucket_lets_no_more_than_its_number_through_in_any_minute(per_minute):
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


def test_a_request_beyond_the_capacity_goes_when_the_bucket_is_full():
    bucket = Bucket(1000)
    assert bucket.fits(100.0, 5000) == 1
    assert bucket.fits(99.0, 5000) == 0
    assert bucket.fits(-4900.0, 1) == 0
    assert bucket.seconds_until(50.0, 5000) == pytest.approx(50 / bucket.rate)


def test_a_claim_takes_what_fits_and_leaves_the_rest_untouched_for_others_behind_it():
    limit(requests_per_minute=30)  # three at once
    limited = [queued(**LANE) for _ in range(10)]
    free = [queued(**OTHER) for _ in range(5)]
    taken = {record.pk for record in claim(8, "w1")}
    assert taken == {record.pk for record in [*limited[:3], *free]}
    assert ServiceCallRecord.objects.queued().filter(attempts=0, lease_token=0).count() == 7


def test_several_limits_hold_together():
    limit("default/*", parallel=4)
    limit("default/o3", requests_per_minute=10)
    for _ in range(5):
        queued(**OTHER)
        queued(**LANE)
    taken = [record.model_requested for record in claim(10, "w1")]
    assert sorted(taken) == ["gpt-4o-mini"] * 3 + ["o3"]


def test_parallel_counts_what_runs_anywhere_and_a_finished_call_makes_room():
    limit(parallel=2)
    other = running(worker="another node", **LANE)
    for _ in range(3):
        queued(**LANE)
    assert len(claim(5, "w1")) == 1
    assert claim(5, "w2") == []
    ServiceCallRecord.objects.filter(pk=other.pk).update(status="succeeded", finished_at=timezone.now())
    assert len(claim(5, "w2")) == 1


def test_tokens_are_reserved_by_the_usual_use_of_a_request():
    limit(tokens_per_minute=10_000, tokens_per_request=300)  # a thousand at once
    for _ in range(5):
        queued(**LANE)
    assert len(claim(5, "w1")) == 3


def test_without_limits_a_claim_asks_nothing_more_than_before(django_assert_num_queries):
    queued(**LANE)
    limits = Limits()
    limits.snapshot()
    with django_assert_num_queries(5):  # is anything due, savepoint, pick, take, release
        assert len(claim(1, "w1", limits)) == 1


def test_answers_that_teach_nothing_new_cost_no_query(django_assert_num_queries):
    op = answer(queued(**LANE))
    limits = Limits()
    limits.snapshot()
    with django_assert_num_queries(0):
        learn([op], limits)


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
def test_workers_that_claim_at_once_never_take_more_than_the_limit(fields):
    limit(**fields)
    for _ in range(40):
        queued(**LANE)
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
    queued(**LANE)
    queued(**LANE)
    assert len(claim(5, "w1")) == 1


@pytest.mark.parametrize(
    ("pattern", "lane", "matches"),
    [
        ("default/o3", ("default", "o3"), True),
        ("default/o3", ("default", "o3-mini"), False),
        ("default/o3*", ("default", "o3-mini"), True),
        ("*/o3", ("second", "o3"), True),
        ("default/*", ("second", "o3"), False),
        ("default/meta/llama*", ("default", "meta/llama-3"), True),
    ],
)
def test_a_pattern_means_the_same_to_python_and_to_the_database(pattern, lane, matches):
    record = queued(client=lane[0], model_requested=lane[1])
    assert LanePattern.parse(pattern).matches(record.lane) is matches
    assert ServiceCallRecord.objects.filter(LanePattern.parse(pattern).condition()).exists() is matches


def test_a_call_knows_its_lane_when_it_is_queued():
    plain = submit(CallSpec(service=triage.Triage, context={"ticket": "x"}))
    chosen = submit(CallSpec(service=triage.Triage, context={"ticket": "x"}, model="o3"))
    assert str(plain.lane) == "default/gpt-4o-mini"
    assert str(chosen.lane) == "default/o3"


def test_a_pattern_that_is_none_is_refused_with_how_to_write_it():
    with pytest.raises(InvalidCall, match='write "client/model"'):
        LanePattern.parse("o3")


# --- what answers teach ---------------------------------------------------------------------


def answer(call, *, tokens=0, error_code="", headers=None, retry_after=None, repair=0):
    request = request_audit(call, client_name="default", repair=repair)
    row = AIResponseAudit(ai_request=request, call=call, total_tokens=tokens, error_code=error_code)
    return StoreAnswer(
        lease=None, record=call, answer=row, outcome=Outcome.ANSWERED, headers=headers or {}, retry_after=retry_after
    )


def test_real_use_replaces_the_reservation_and_teaches_the_next_one():
    row = limit(tokens_per_minute=100_000, tokens_per_request=1000)
    call = queued(**LANE)
    claim(1, "w1")
    assert fresh(row).tokens_available == pytest.approx(9000, abs=1)
    learn([answer(call, tokens=4000)], Limits())
    row = fresh(row)
    assert row.tokens_available == pytest.approx(6000, abs=1)
    assert row.tokens_per_request == pytest.approx(1300)


def test_a_failed_request_gives_its_tokens_back_and_a_repair_costs_one_more_request():
    row = limit(tokens_per_minute=100_000, requests_per_minute=100)
    call = queued(**LANE)
    claim(1, "w1")
    learn([answer(call, error_code="timeout"), answer(call, tokens=10, repair=1)], Limits())
    assert fresh(row).tokens_available == pytest.approx(9990, abs=1)
    assert fresh(row).requests_available == pytest.approx(8, abs=0.1)


def test_a_429_with_retry_after_holds_the_lane_for_everybody_without_any_limit_configured():
    call = queued(**LANE)
    learn([answer(call, error_code="rate_limited", retry_after=30)], Limits())
    row = RateLimit.objects.get()
    assert (row.pattern, row.source) == ("default/gpt-4o-mini", "provider")
    assert timedelta(seconds=28) < row.blocked_until - timezone.now() <= timedelta(seconds=30)
    other = queued(**OTHER)
    assert [record.pk for record in claim(5, "another node")] == [other.pk]
    RateLimit.objects.update(blocked_until=timezone.now())
    assert [record.pk for record in claim(5, "another node")] == [call.pk]


def test_a_shorter_wait_does_not_shorten_a_longer_one():
    call = queued(**LANE)
    learn([answer(call, error_code="rate_limited", retry_after=30)], Limits())
    learn([answer(call, error_code="rate_limited", retry_after=1)], Limits())
    assert RateLimit.objects.get().blocked_until - timezone.now() > timedelta(seconds=28)


def test_the_provider_is_believed_when_it_counts_less_than_is_left_here():
    row = limit(requests_per_minute=100, tokens_per_minute=100_000)
    call = queued(**LANE)
    claim(1, "w1")
    told = {"x-ratelimit-remaining-requests": "2", "x-ratelimit-remaining-tokens": "50"}
    learn([answer(call, tokens=1000, headers=told)], Limits())
    assert (fresh(row).requests_available, fresh(row).tokens_available) == (2.0, 50.0)


@pytest.mark.parametrize("what", ["requests", "tokens"])
def test_nothing_left_at_the_provider_holds_the_lane_until_it_resets(what):
    told = {f"x-ratelimit-remaining-{what}": "0", f"x-ratelimit-reset-{what}": "1m30s"}
    learn([answer(queued(**LANE), tokens=5, headers=told)], Limits())
    wait = RateLimit.objects.get().blocked_until - timezone.now()
    assert timedelta(seconds=88) < wait <= timedelta(seconds=90)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("1.5s", 1.5), ("120ms", 0.12), ("1h2m", 3720), ("30", 30), ("2d", 86_400), ("", 0), ("soon", 0),
     ("-3", 0), ("nan", 0), ("1e99", 86_400)],
)  # fmt: skip
def test_durations_of_headers_are_read(text, seconds):
    assert seconds_of(text) == pytest.approx(seconds)


def test_a_429_over_the_whole_way_holds_the_queue_until_the_provider_allows_it():
    first, second = (submit(CallSpec(service=triage.Triage, context={"ticket": "x"})) for _ in range(2))
    limit(parallel=1)
    with scripted(Fault(kind="rate_limit", retry_after=60)) as simulation:
        run_due_calls()
    assert len(simulation.ledger.entries) == 1
    second.refresh_from_db()
    assert (second.status, second.attempts) == ("queued", 0)
    first.refresh_from_db()
    assert (first.status, first.attempts) == ("queued", 1)


@pytest.mark.django_db(transaction=True)
def test_a_caller_who_wants_it_now_waits_for_the_limit_and_then_goes_through():
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
