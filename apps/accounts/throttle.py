"""Rate limits: attempts counted in fixed windows, in the database that all processes share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from django.conf import settings

from apps.accounts.models.counters import ThrottleCount
from orchestration.api.errors import ApiError
from orchestration.clock import database_now


def _seconds() -> int:
    """By the database's clock, so that all machines are in the same window."""
    return int(database_now().timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """At most `limit` hits per `seconds` for one identity. Identities are hashed: no address enters the database."""

    name: str
    limit: int
    seconds: int
    cost: int = 1
    """How much one hit counts."""

    def costing(self, cost: int) -> Self:
        """The same window, for something that counts as much as `cost` hits."""
        return replace(self, cost=cost)

    def hit(self, identity: str) -> int:
        """Count one, or what it costs; returns the seconds until the next window when that goes over the limit, else 0.

        However many processes hit at once, exactly `limit` hits are let through; a refused one costs
        nothing. A transaction that is rolled back takes its hits with it, so count before it begins.
        """
        window_ends = (_seconds() // self.seconds + 1) * self.seconds
        moment = datetime.fromtimestamp(window_ends, UTC)
        let_through = self.cost <= self.limit and ThrottleCount.objects.hit(
            self._key(identity), moment, cost=self.cost, limit=self.limit
        )
        return 0 if let_through else self._remaining()

    def full(self, identity: str) -> int:
        """As `hit`, without counting: the seconds to wait when the limit is reached, else 0."""
        counts = ThrottleCount.objects.filter(key=self._key(identity)).values_list("count", flat=True)
        return self._remaining() if (counts.first() or 0) >= self.limit else 0

    def forget(self, identity: str) -> None:
        ThrottleCount.objects.filter(key=self._key(identity)).delete()

    def check(self, identity: str, what: str = "requests") -> None:
        """As `hit`; over the limit, ApiError 429 that says when to try again."""
        wait = self.hit(identity)
        if wait:
            most = f"At most {self.limit:,} {what} in {self.seconds} seconds"
            counted = f"; this one counts as {self.cost:,}" if self.cost > 1 else ""
            message = f"{most}{counted}. Try again in {wait} seconds."
            raise ApiError(429, "rate_limited", message, {"retry_after": wait})

    def _remaining(self) -> int:
        return self.seconds - _seconds() % self.seconds

    def _key(self, identity: str) -> str:
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return f"{self.name[:32]}:{_seconds() // self.seconds}:{digest}"


WRITES = Window(name="writes", limit=settings.WRITES_PER_MINUTE, seconds=60)
"""Requests of one person that change something."""
ASKING = Window(name="asking", limit=settings.ASKING_PER_MINUTE, seconds=60)
"""Requests of one person that a model answers, each counted by its number of answers."""
CALLS = Window(name="calls", limit=settings.CALLS_PER_MINUTE, seconds=60)
"""Service calls that one person submits."""
INVITATION_EMAILS = Window(name="letters", limit=30, seconds=3600)
"""Invitations that one person sends."""
CLAIMS = Window(name="claims", limit=20, seconds=300)
"""Claims and new passwords from one address."""
RESETS = Window(name="resets", limit=5, seconds=3600)
"""Password emails to one address."""
WINDOWS = {
    "writes": (WRITES, "changes"),
    "asking": (ASKING, "requests that are answered by a model"),
    "calls": (CALLS, "service calls"),
}
"""By the name that operations are counted under, with the noun that a refusal uses."""


def seconds_to_wait(person: object, counts: str) -> int:
    """Count one under `counts`, and return 0; over the limit nothing is counted, and these are the seconds to the next
    window. `person` is a user's key."""
    window, _ = WINDOWS[counts]
    return window.hit(str(person))


def charge(person: object, counts: str, cost: int = 1) -> None:
    """Count what somebody does under `counts`; ApiError 429 when that is over the limit. `person` is a user's key."""
    window, what = WINDOWS[counts]
    window.costing(cost).check(str(person), what)
