"""Keys at machines whose clocks differ, or were wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle, islice

import pytest
from django.db import transaction

from apps.accounts.models import ApiKey, BudgetPeriod
from apps.gateway.metering.quotas import Demand, admit, charge, period_start, refill
from apps.gateway.models import KeyMeter
from apps.gateway.recording.flush import held_meters
from orchestration.clock import database_now
from tests.apps.gateway.serving import key
from tests.clocks import machine_clock

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def asked(made: ApiKey, ahead: timedelta, cost: Decimal = Decimal(0)) -> bool:
    """One request at a machine whose clock is so far ahead; True when it was granted."""
    with machine_clock(ahead), transaction.atomic(), held_meters([made.pk]) as meters:
        granted = admit(meters[made.pk], Demand(cost=cost), database_now()) is None
        if granted:
            meters[made.pk].reserved -= cost
            charge(meters[made.pk], cost=cost, tokens=0)
        return granted


@pytest.mark.parametrize(("period", "apart"), [(BudgetPeriod.DAY, DAY), (BudgetPeriod.MONTH, 40 * DAY)])
def test_machines_apart_grant_a_budget_once(period: str, apart: timedelta) -> None:
    """1,200 requests by turns, on a budget of ten."""
    made, _ = key(budget=Decimal(10), budget_period=period)
    turns = islice(cycle((apart, timedelta(0))), 1200)
    assert sum(asked(made, ahead, Decimal(1)) for ahead in turns) == 10


def test_machines_an_hour_apart_grant_a_minute_once() -> None:
    made, _ = key(requests_per_minute=10)
    began = database_now()
    granted = sum(asked(made, ahead) for ahead in islice(cycle((HOUR, timedelta(0))), 1200))
    assert granted <= 11 + (database_now() - began).total_seconds() / 6


def test_a_key_that_a_wrong_clock_used_works_again() -> None:
    made, _ = key(requests_per_minute=10, budget=Decimal(10), budget_period=BudgetPeriod.DAY)
    asked(made, timedelta(0))
    ahead = database_now() + 2 * DAY  # more than the skew that is allowed, an hour before midnight, too
    KeyMeter.objects.update(requests_available=0, refilled_at=ahead, period_start=ahead.date())
    assert asked(made, timedelta(0))
    meter = KeyMeter.objects.get(pk=made.pk)
    assert meter.refilled_at is not None
    assert meter.refilled_at < database_now() + HOUR
    assert database_now().date() <= meter.period_start <= (database_now() + HOUR).date()  # within the skew allowed


@pytest.mark.parametrize("at", [datetime(2026, 1, 31, 23, 30, tzinfo=UTC), datetime(2026, 2, 1, 0, 30, tzinfo=UTC)])
@pytest.mark.parametrize("period", [BudgetPeriod.DAY, BudgetPeriod.MONTH])
def test_a_period_never_begins_twice(period: str, at: datetime) -> None:
    """Even when the clock itself is set back by an hour, over and over."""
    meter = KeyMeter(api_key=ApiKey(budget=Decimal(10), budget_period=period))
    granted = 0
    for ahead in islice(cycle((HOUR, timedelta(0))), 1200):
        refill(meter, at + ahead)
        if admit(meter, Demand(cost=Decimal(1)), at + ahead) is None:
            meter.reserved -= 1
            charge(meter, cost=Decimal(1), tokens=0)
            granted += 1
    assert granted == 10


def test_a_period_in_the_future_is_corrected_without_a_refund() -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    meter = KeyMeter(api_key=ApiKey(budget=Decimal(10), spent=Decimal(7), budget_period=BudgetPeriod.DAY))
    meter.period_start = (now + DAY).date()
    refill(meter, now)
    assert (meter.period_start, meter.api_key.spent) == (period_start(BudgetPeriod.DAY, now), 7)
    refill(meter, now + DAY)
    assert meter.api_key.spent == 0
