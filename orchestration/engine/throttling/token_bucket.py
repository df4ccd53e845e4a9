"""The token bucket behind requests and tokens per minute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

MINUTE = 60.0
WAY_SECONDS = 1.0
"""By how many seconds requests may differ in their time from the claim to the provider."""
BURST = 10
"""The bucket holds a tenth of a minute's allowance."""
ROUNDING = 1e-6


def seconds_gone(refilled_at: datetime | None, now: datetime) -> float:
    """Seconds for which to refill a bucket, from its last refill until now.

    0 when the clock went back a little, so that no time is counted twice. A moment that lies further ahead than a
    whole refill takes was written by a clock that was wrong: it counts as one refill ago, for else it would hold the
    bucket until that time has come.
    """
    if refilled_at is None or _is_wrong(refilled_at, now):
        return MINUTE
    return max((now - refilled_at).total_seconds(), 0.0)


def counted_from(refilled_at: datetime | None, now: datetime) -> datetime:
    """The time of the refill to store: never earlier than the last one, unless a wrong clock wrote that."""
    return now if refilled_at is None or _is_wrong(refilled_at, now) else max(refilled_at, now)


def _is_wrong(refilled_at: datetime, now: datetime) -> bool:
    return (refilled_at - now).total_seconds() > MINUTE


@dataclass(frozen=True, slots=True)
class Bucket:
    """Lets at most `per_minute` units through in *any* minute, not only on average.

    A bucket of capacity B that refills with R a second lets at most B + ceil(R * T) - 1 units through in a time T.
    So R is not per_minute / 60, which would let B more through, but (per_minute - B + 1) / T, with T a minute and
    the differences in the requests' way to the provider.
    """

    per_minute: int

    @property
    def capacity(self) -> int:
        """The most units at once."""
        return max(1, self.per_minute // BURST)

    @property
    def rate(self) -> float:
        """Units a second."""
        return (self.per_minute - self.capacity + 1) / (MINUTE + WAY_SECONDS)

    def filled(self, available: float, seconds: float) -> float:
        """What is available some seconds later; a debt (below 0) is paid back first."""
        return min(float(self.capacity), available + self.rate * max(0.0, seconds))

    def fits(self, available: float, cost: float = 1.0) -> int:
        """How many requests of this cost may go now; one that costs more than the capacity goes when it is full."""
        cost = min(cost, self.capacity)
        return max(0, math.floor(available / cost + ROUNDING))

    def seconds_until(self, available: float, cost: float = 1.0) -> float:
        """How long until one request of this cost may go."""
        return max(0.0, min(cost, self.capacity) - available) / self.rate
