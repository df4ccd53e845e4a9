"""When to try again: one policy, one owner (the engine)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from orchestration.errors import CallError


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter; times in seconds.

    Delay before attempt n+1: uniform(0, min(initial * multiplier**(n-1), cap)), unless the provider said how long
    to wait (`Retry-After`), which then is the delay. (Full jitter: AWS Architecture Blog, "Exponential Backoff And
    Jitter", 2015.) Raises ValueError outside the stated ranges.
    """

    max_attempts: int = 3
    """Attempts that may fail before the call does, 1-10."""
    initial: float = 1.0
    """0.1-60."""
    multiplier: float = 2.0
    """1-10."""
    cap: float = 60.0
    """At least `initial`."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("max_attempts", self.max_attempts, 1, 10),
            ("initial", self.initial, 0.1, 60),
            ("multiplier", self.multiplier, 1, 10),
        ):
            if not low <= value <= high:
                raise ValueError(f"RetryPolicy.{name} must be between {low} and {high}, not {value!r}.")
        if self.cap < self.initial:
            raise ValueError(f"RetryPolicy.cap ({self.cap}) must not be below initial ({self.initial}).")

    def ceiling(self, failures: int) -> float:
        """The longest delay after this many failures (>= 1), in seconds."""
        return min(self.initial * self.multiplier ** (failures - 1), self.cap)

    def decide(self, error: CallError, failures: int, *, retry_after: float | None = None) -> float | None:
        """Seconds to wait before the next attempt after the `failures`-th failure, or None to give up."""
        if not error.retryable or failures >= self.max_attempts:
            return None
        if retry_after is not None:
            return max(0.0, retry_after)
        return random.uniform(0, self.ceiling(failures))  # noqa: S311 - jitter, not a secret
