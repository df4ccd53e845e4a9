"""Counting attempts in fixed windows of time, in the database that all processes share."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.accounts.counts import ThrottleCount
from orchestration.api_errors import ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """At most `limit` hits per `seconds` for one identity. Identities are hashed: no address enters the database."""

    name: str
    limit: int
    seconds: int

    def hit(self, identity: str) -> int:
        """Count one; returns the seconds until the next window when this hit is over the limit, else 0.

        However many processes hit at once, exactly `limit` of them are let through. Inside a transaction that is
        rolled back, the hit is, too: count before it begins.
        """
        window_ends = (int(time.time()) // self.seconds + 1) * self.seconds
        count = ThrottleCount.objects.hit(self._key(identity), datetime.fromtimestamp(window_ends, UTC))
        return self._remaining() if count > self.limit else 0

    def full(self, identity: str) -> int:
        """As `hit`, without counting: the seconds to wait when the limit is reached, else 0."""
        counts = ThrottleCount.objects.filter(key=self._key(identity)).values_list("count", flat=True)
        return self._remaining() if (counts.first() or 0) >= self.limit else 0

    def forget(self, identity: str) -> None:
        ThrottleCount.objects.filter(key=self._key(identity)).delete()

    def check(self, identity: str, what: str = "requests") -> None:
        """As `hit`; ApiError 429, which says when to come back, when it is over the limit."""
        wait = self.hit(identity)
        if wait:
            raise ApiError(
                429,
                "rate_limited",
                f"At most {self.limit} {what} in {self.seconds} seconds. Try again in {wait} seconds.",
                {"retry_after": wait},
            )

    def _remaining(self) -> int:
        return self.seconds - int(time.time()) % self.seconds

    def _key(self, identity: str) -> str:
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return f"{self.name[:32]}:{int(time.time()) // self.seconds}:{digest}"
