"""The limits of a key: requests and tokens a minute, parallel requests, and a budget, reserved first and settled later.

Everything here works on a KeyMeter whose row lock the caller holds, so it counts for all processes together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from apps.accounts.models import BudgetPeriod
from apps.gateway.errors import GatewayError
from apps.gateway.models import KeyMeter, KeyPolicy
from orchestration.engine.throttling.token_bucket import MINUTE, Bucket, counted_from, seconds_gone
from orchestration.models.prices import MAX_COST

MOST_SKEW = timedelta(hours=1)
"""More than two readings of one clock can differ by."""
UNLIMITED = 1e15
"""The level of a bucket without a limit, so that it is full when it gets one."""
BUSY_SECONDS = 1.0
"""How long a client is asked to wait when only running requests are in the way."""


class KeyBucket(Bucket):
    """Holds a whole minute's allowance, as OpenAI's rate limits do: a client that was quiet may use it at once.

    The engine's own bucket holds a tenth of it, because it must keep a provider's limit in any minute.
    """

    @property
    def capacity(self) -> int:
        return self.per_minute

    @property
    def rate(self) -> float:
        return self.per_minute / MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one request needs of its key's limits."""

    tokens: int = 0
    cost: Decimal = Decimal(0)
    """The worst case."""
    runs: bool = True
    """It counts against the parallel limit until it is settled; a cache hit does not."""


@dataclass(frozen=True, slots=True)
class Level:
    """One bucket, as the headers show it; `reset` in seconds until it is full."""

    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True)
class Levels:
    requests: Level | None
    tokens: Level | None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`."""
        found = []
        for name, level in ((b"requests", self.requests), (b"tokens", self.tokens)):
            if level is not None:
                found.append((b"x-ratelimit-limit-" + name, b"%d" % level.limit))
                found.append((b"x-ratelimit-remaining-" + name, b"%d" % level.remaining))
                found.append((b"x-ratelimit-reset-" + name, b"%.3fs" % level.reset))
        return found


def period_start(period: str, now: datetime) -> date | None:
    """The first day of the budget's period; None for one that never starts again."""
    today = now.astimezone(UTC).date()
    if period == BudgetPeriod.DAY:
        return today
    return today.replace(day=1) if period == BudgetPeriod.MONTH else None


def refill(meter: KeyMeter, now: datetime) -> None:
    """Refill the buckets for the time that passed, and start a new budget period when it is due."""
    key = meter.api_key
    gone = seconds_gone(meter.refilled_at, now)
    if meter.refilled_at is None:
        meter.requests_available = meter.tokens_available = 0.0
    meter.requests_available = _filled(meter.requests_available, key.requests_per_minute, gone)
    meter.tokens_available = _filled(meter.tokens_available, key.tokens_per_minute, gone)
    meter.refilled_at = counted_from(meter.refilled_at, now)
    _begin_period(meter, period_start(key.budget_period, now), now)


def _begin_period(meter: KeyMeter, start: date | None, now: datetime) -> None:
    """A new period starts with nothing spent. A period ahead of the clock is kept, unless a wrong clock wrote it:
    then the period is corrected, and what was spent stays."""
    before = meter.period_start
    if start is None or before is None or start > before:
        if start is not None:
            meter.api_key.spent = Decimal(0)
        meter.period_start = start
    elif before > (now + MOST_SKEW).date():
        meter.period_start = start


def admit(meter: KeyMeter, demand: Demand, now: datetime) -> GatewayError | None:
    """Reserve what the request needs, all or nothing; the error says what is missing and how long to wait."""
    refused = _lacking(meter, demand, now)
    if refused is None:
        meter.requests_available -= 1 if meter.api_key.requests_per_minute is not None else 0
        meter.tokens_available -= demand.tokens if meter.api_key.tokens_per_minute is not None else 0
        meter.reserved += demand.cost
        meter.in_flight += demand.runs
    return refused


def settle(
    meter: KeyMeter, *, reserved_cost: Decimal, reserved_tokens: int, cost: Decimal, tokens: int, runs: bool = True
) -> None:
    """Release what was reserved, and charge what was used. `runs`: it still counts against the parallel limit."""
    meter.reserved = max(Decimal(0), meter.reserved - reserved_cost)
    if runs:
        free_slot(meter)
    charge(meter, cost=cost, tokens=tokens - reserved_tokens)


def free_slot(meter: KeyMeter) -> None:
    """One request less counts against the parallel limit."""
    meter.in_flight = max(0, meter.in_flight - 1)


def charge(meter: KeyMeter, *, cost: Decimal, tokens: int) -> None:
    """Charge what was used beyond what is charged already; a negative amount is a refund.

    The debt is never more than a minute's tokens, so that a wrong count blocks the key no longer than that; and what is
    spent stays an amount that can be written.
    """
    meter.api_key.spent = min(MAX_COST, max(Decimal(0), meter.api_key.spent + cost))
    most = meter.api_key.tokens_per_minute
    if most is not None:
        meter.tokens_available = max(meter.tokens_available - tokens, -float(most))


def levels(meter: KeyMeter) -> Levels:
    """The current state of the buckets."""
    key = meter.api_key
    return Levels(
        _level(meter.requests_available, key.requests_per_minute),
        _level(meter.tokens_available, key.tokens_per_minute),
    )


def _lacking(meter: KeyMeter, demand: Demand, now: datetime) -> GatewayError | None:
    key = meter.api_key
    parallel = KeyPolicy.of(key).parallel
    if demand.runs and parallel is not None and meter.in_flight >= parallel:
        return _too_many(f"{parallel} requests of this key are running, which is its limit.", "parallel", BUSY_SECONDS)
    wait = _wait(meter.requests_available, key.requests_per_minute, 1)
    if wait and key.requests_per_minute is not None:
        return _too_many(f"This key may make {key.requests_per_minute} requests a minute.", "requests", wait)
    wait = _wait(meter.tokens_available, key.tokens_per_minute, demand.tokens)
    if wait and key.tokens_per_minute is not None:
        return _too_many(
            f"This key may use {key.tokens_per_minute} tokens a minute; this request needs {demand.tokens}.",
            "tokens",
            wait,
        )
    return over_budget(meter, demand.cost, now) if demand.runs else None


def over_budget(meter: KeyMeter, cost: Decimal, now: datetime) -> GatewayError | None:
    """Why the key's budget has no room for this much more; None when it has."""
    key = meter.api_key
    if key.budget is None or key.spent + meter.reserved + cost <= key.budget:
        return None
    if key.spent + cost <= key.budget:
        wait: float | None = BUSY_SECONDS  # what others reserved is given back when they end
    else:
        wait = _next_period(key.budget_period, now)
    return GatewayError(
        429,
        "insufficient_quota",
        "This request could cost more than is left of this key's budget.",
        kind="insufficient_quota",
        retry_after=wait,
        final=wait != BUSY_SECONDS,
    )


def _next_period(period: str, now: datetime) -> float | None:
    start = period_start(period, now)
    if start is None:
        return None
    after = start + timedelta(days=1) if period == BudgetPeriod.DAY else (start + timedelta(days=32)).replace(day=1)
    return (datetime(after.year, after.month, after.day, tzinfo=UTC) - now).total_seconds()


def _too_many(message: str, kind: str, wait: float) -> GatewayError:
    return GatewayError(429, "rate_limit_exceeded", f"{message} Try again later.", kind=kind, retry_after=wait)


def _filled(available: float, limit: int | None, seconds: float) -> float:
    return UNLIMITED if limit is None else KeyBucket(limit).filled(available, seconds)


def _wait(available: float, limit: int | None, need: int) -> float:
    """Seconds until there is enough; a request that needs more than the bucket holds goes when it is full."""
    if limit is None:
        return 0.0
    return KeyBucket(limit).seconds_until(available, need) if limit else MINUTE


def _level(available: float, limit: int | None) -> Level | None:
    if limit is None:
        return None
    return Level(limit, max(0, int(available)), KeyBucket(limit).seconds_until(available, limit) if limit else MINUTE)
