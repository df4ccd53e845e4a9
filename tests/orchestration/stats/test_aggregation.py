"""Rollups say what the rows say: after failures, deaths, retries, cancels, and whoever sums up when."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration import signals
from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.engine.worker.rescuer import rescue
from orchestration.models import AIResponseAudit, ModelPrice, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.rollups import CallRollup, RollupMark, RollupState, Span, bucket_bounds, percentile
from orchestration.models.states import TERMINAL, Status
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.stats import aggregation as rollup
from orchestration.stats.aggregation import fine_from, floor, roll_up
from orchestration.stats.figures import SEPARATOR, Figures, Period, _counts, added, history, queues, running_by_node
from orchestration.testing import drain
from persistence.maintenance.repricing import reprice
from tests.engineapp.orca.services import triage
from tests.orchestration.factories import expired, failed, queued, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
COUNTED = ("succeeded", "failed", "cancelled", "input_tokens", "output_tokens", "total_tokens", "cost", "unpriced")


def from_rows(span: Span) -> dict[Any, dict[str, Any]]:
    """What the rollups of a span must say, from the calls one by one."""
    found: dict[Any, dict[str, Any]] = defaultdict(lambda: {**dict.fromkeys(COUNTED, 0), "errors": {}, "ran": 0})
    for call in ServiceCallRecord.objects.finished():
        sums = found[floor(call.finished_at, span), call.service_identity, call.model or call.model_requested]
        sums[call.status] += 1
        for name in ("input_tokens", "output_tokens", "total_tokens"):
            sums[name] += getattr(call, name)
        sums["cost"] += call.cost or Decimal(0)
        sums["unpriced"] += bool(call.total_tokens and call.cost is None)
        sums["ran"] += call.started_at is not None
        if call.status != Status.SUCCEEDED:
            sums["errors"][call.error_code] = sums["errors"].get(call.error_code, 0) + 1
    return dict(found)


def from_rollups(span: Span) -> dict[Any, dict[str, Any]]:
    return {
        (row.starts_at, row.service_identity, row.model): {
            **{name: getattr(row, name) for name in COUNTED},
            "errors": row.errors,
            "ran": sum(row.durations.values()),
        }
        for row in CallRollup.objects.filter(span=span)
    }


def assert_true(now: Any = None) -> None:
    fine = fine_from(now or timezone.now())
    for span in Span:
        wanted = from_rows(span)
        if span == Span.MINUTE:
            wanted = {key: sums for key, sums in wanted.items() if key[0] >= fine}
        assert from_rollups(span) == wanted, span


def test_every_way_a_call_can_end_is_counted_once():
    records = submit_many(
        [CallSpec(service=triage.Triage, context={"ticket": "it burns"}, max_attempts=1) for _ in range(6)]
    )
    records[5].cancel()
    with scripted(Fault(kind="refusal", times=1), Fault(kind="server_error", times=1)):
        drain()
    expired(deaths=9)  # dies once more: poisoned
    expired(deaths=0)  # queued again
    rescue()
    roll_up()
    assert_true()
    before = from_rollups(Span.MINUTE)
    assert sum(row["failed"] for row in before.values()) >= 2
    assert sum(row["cancelled"] for row in before.values()) == 1
    for record in ServiceCallRecord.objects.failed():
        record.retry()
    roll_up()
    assert sum(row["failed"] for row in from_rollups(Span.MINUTE).values()) == 0
    assert_true()
    drain()
    roll_up()
    assert_true()
    assert ServiceCallRecord.objects.finished().count() == sum(
        row["succeeded"] + row["failed"] + row["cancelled"] for row in from_rollups(Span.DAY).values()
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_in_whatever_order_the_figures_follow(seed: int, monkeypatch: pytest.MonkeyPatch):
    """A week of random ends, retries of old calls and sums in between, in slices of a few calls."""
    monkeypatch.setattr(rollup, "SLICE", 4)
    random, now = Random(seed), timezone.now() - timedelta(days=9)
    for _ in range(60):
        now += timedelta(minutes=random.choice([0, 0, 1, 7, 90, 700]), seconds=random.randrange(50))
        deed = random.random()
        ended = list(ServiceCallRecord.objects.finished())
        if deed < 0.6:
            _ended(random, now)
        elif deed < 0.8 and ended:
            call = random.choice(ended)
            if call.can_be_retried:
                call.retry(now=now)
                if random.random() < 0.5:
                    call.cancel(now=now)
        elif deed < 0.95:
            roll_up(now=now)
    roll_up(now=now)
    assert_true(now)
    assert not RollupMark.objects.exists()


def _ended(random: Random, now: Any) -> None:
    status = random.choice(TERMINAL)
    tokens = random.choice([0, 70])
    queued(
        status=status,
        service_identity=f"services.engineapp.default.S{random.randrange(2)}",
        model=random.choice(["", "m1", "m2"]),
        model_requested="m0",
        started_at=random.choice([None, now - timedelta(milliseconds=random.randrange(1, 90_000))]),
        finished_at=now,
        error_code="" if status == Status.SUCCEEDED else random.choice(["timeout", "refused"]),
        input_tokens=tokens,
        output_tokens=tokens // 7,
        total_tokens=tokens + tokens // 7,
        cost=random.choice([None, Decimal("0.00012345"), Decimal("1.5")]),
    )


def test_two_that_sum_up_at_once_write_once(monkeypatch: pytest.MonkeyPatch):
    failed()
    tally = rollup.tally

    def overtaken(*bounds: Any) -> Any:
        """Somebody else sums up a further call while this one reads."""
        monkeypatch.setattr(rollup, "tally", tally)
        found = tally(*bounds)
        failed()
        assert roll_up()
        return found

    monkeypatch.setattr(rollup, "tally", overtaken)
    assert not roll_up()
    assert_true()
    assert CallRollup.objects.get(span=Span.MINUTE).failed == 2


def test_a_cancel_is_counted_when_its_transaction_ends():
    call = queued()
    now = timezone.now()
    roll_up(now=now + timedelta(hours=1))
    assert RollupState.read().settled_until > now
    call.cancel(now=now)  # as its long transaction would show it only now
    roll_up(now=now + timedelta(hours=1, minutes=1))
    assert_true()
    assert CallRollup.objects.get(span=Span.DAY).cancelled == 1


def test_a_new_price_reaches_the_figures_of_old_calls():
    long_ago = timezone.now() - timedelta(days=5)
    call = failed(finished_at=long_ago, model="m", total_tokens=1_000_000, input_tokens=1_000_000)
    audit = request_audit(call, dispatched_at=long_ago, outcome=Outcome.ANSWERED)
    audit.save()
    AIResponseAudit.objects.create(
        ai_request=audit, call=call, model="m", input_tokens=1_000_000, total_tokens=1_000_000, received_at=long_ago
    )
    roll_up()
    assert CallRollup.objects.get(span=Span.DAY).unpriced == 1
    prices = {"input_per_million": 3, "cached_input_per_million": 1, "output_per_million": 1}
    ModelPrice.objects.create(provider="simulator", model="m", valid_from=long_ago - timedelta(days=1), **prices)
    reprice(dry_run=False)
    roll_up()
    row = CallRollup.objects.get(span=Span.DAY)
    assert (row.unpriced, row.cost, row.costliest_call) == (0, 3, call.pk)
    assert_true()


def test_a_retry_that_is_rolled_back_leaves_no_mark():
    call = failed()
    with pytest.raises(RuntimeError), transaction.atomic():
        call.retry()
        raise RuntimeError
    assert not RollupMark.objects.exists()


def test_the_tick_sums_up_once_for_all_nodes():
    failed()
    signals.dispatch(signals.tick, None)
    RollupState.objects.update(rolled_at=timezone.now())  # other receivers may have taken long
    version = RollupState.read().version
    signals.dispatch(signals.tick, None)
    assert RollupState.read().version == version
    assert_true()


def test_summing_up_reads_only_what_may_have_changed():
    old = timezone.now() - timedelta(hours=2)
    for _ in range(3):
        failed(finished_at=old)
    roll_up()
    with CaptureQueriesContext(connection) as captured:
        roll_up()
    assert len(captured) <= 16, [query["sql"] for query in captured]
    assert RollupState.read().settled_until > old


def test_percentiles_are_within_a_bucket_of_the_truth():
    durations = [float(ms) for ms in range(20, 2000, 3)]
    started = timezone.now()  # once, or the time between two readings of the clock counts as duration
    for ms in durations:
        failed(started_at=started, finished_at=started + timedelta(milliseconds=ms)) if ms < 80 else None
    assert percentile({}, 0.5) is None
    counts: dict[str, int] = defaultdict(int)
    for ms in durations:
        bucket = next(n for n in range(60) if bucket_bounds(n)[0] <= ms < bucket_bounds(n)[1])
        counts[str(bucket)] += 1
    for share in (0.5, 0.95, 0.99):
        truth = durations[round(len(durations) * share) - 1]
        assert truth / 1.25 < percentile(counts, share) < truth * 1.25
    roll_up()
    for bucket, count in CallRollup.objects.get(span=Span.DAY).durations.items():
        low, high = bucket_bounds(int(bucket))
        assert sum(low <= ms < high for ms in durations if ms < 80) == count


def test_history_and_queues_say_what_is_there(django_assert_num_queries: Any):
    now = timezone.now()
    failed(model="m1", cost=Decimal("0.5"), total_tokens=10, started_at=now - timedelta(seconds=1))
    failed(model="m2", error_code="refused")
    queued(due_at=now - timedelta(seconds=30))
    running(worker="node-1:17:ab", service_identity="services.a.b.C")
    running(worker="node-1:18:cd", service_identity="services.a.b.C")
    roll_up(now=now)
    for period in Period:
        with django_assert_num_queries(3):
            found = history(period, now=now)
        assert (found.total.failed, found.total.cost, found.total.failure_rate) == (2, Decimal("0.5"), 1.0)
        assert found.total.errors == {"timeout": 1, "refused": 1}
        assert [model for _, model in found.parts] == ["m1", "m2"]
        assert len(found.points) == period.points
        assert 700 < found.total.latency(0.5) < 1300
    with django_assert_num_queries(3):
        waiting = queues(now=now)
    assert (str(waiting.queued), waiting.running, waiting.oldest_waiting) == ("1", 2, timedelta(seconds=30))
    (entry,) = running_by_node()
    assert (entry.node, entry.service, entry.calls) == ("node-1", "services.a.b.C", 2)


@pytest.mark.parametrize("now", ["2026-11-30 22:10", "2026-12-01 00:00", "2026-11-30 23:59"])
def test_the_parts_of_a_period_add_up_to_it(now: str):
    """They are read from longer spans than its points."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    for age in range(0, 200, 5):
        at = moment - timedelta(hours=age)
        failed(model=f"m{age % 3}", cost=Decimal("0.1"), started_at=at - timedelta(seconds=1), finished_at=at)
    roll_up(now=moment, afresh=True)
    for period in Period:
        found, parts = history(period, now=moment), Figures()
        for part in found.parts.values():
            parts.add(added(part), [part.errors], [part.durations])
        begun = ServiceCallRecord.objects.filter(finished_at__gte=found.since)
        assert parts == found.total
        assert (parts.failed, parts.cost, sum(parts.durations.values())) == (
            begun.count(),
            begun.count() * Decimal("0.1"),
            begun.count(),
        )


def test_counts_that_cannot_be_read_stop_no_sum():
    now = timezone.now()
    failed()
    failed(model="m2", error_code="refused")
    roll_up(now=now)
    CallRollup.objects.filter(model="m2").update(errors=["x"], durations="none")
    for period in Period:
        assert history(period, now=now).total.errors == {"timeout": 1}
    assert _counts(SEPARATOR.join(['{"a":\n1}', '{"a"', "[2]"])) == [{"a": 1}, [2]]
