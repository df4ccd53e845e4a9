"""Counting attempts in fixed windows of time, through the cache that all processes share."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """At most `limit` hits per `seconds` for one identity. Identities are hashed: no address enters the cache."""

    name: str
    limit: int
    seconds: int

    def hit(self, identity: str) -> int:
        """Count one; returns the seconds until the next window when this hit is over the limit, else 0."""
        key = self._key(identity)
        cache.add(key, 0, self.seconds)
        try:
            count = cache.incr(key)
        except ValueError:  # evicted between the two: the window starts again
            count = 1
            cache.set(key, count, self.seconds)
        return self._remaining() if count > self.limit else 0

    def full(self, identity: str) -> int:
        """As `hit`, without counting: the seconds to wait when the limit is reached, else 0."""
        return self._remaining() if cache.get(self._key(identity), 0) >= self.limit else 0

    def forget(self, identity: str) -> None:
        cache.delete(self._key(identity))

    def _remaining(self) -> int:
        return self.seconds - int(time.time()) % self.seconds

    def _key(self, identity: str) -> str:
        # The window's number is part of the key, because not every cache keeps a timeout through incr().
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return f"throttle:{self.name}:{int(time.time()) // self.seconds}:{digest}"
