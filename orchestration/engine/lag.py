"""The lag of a worker: how late its loop and its writes are, and how many calls it may therefore run at once."""

from __future__ import annotations

import threading
import time

TOLERATED_SECONDS = 0.25
"""Up to this lag a worker runs as many calls as it is configured for."""
HALF_LIFE_SECONDS = 2.0
LEAST_SHARE = 8
"""However large its lag, a worker keeps one of so many of its places (one call, at least): calls that wait for a slow
database cost little."""


class Lag:
    """The longest recent delay in seconds, which decays with HALF_LIFE_SECONDS. Thread-safe."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def note(self, seconds: float) -> None:
        """Record that something happened so many seconds late."""
        with self._lock:
            now = time.monotonic()
            self._seconds, self._at = max(seconds, self._faded(now)), now

    @property
    def seconds(self) -> float:
        with self._lock:
            return self._faded(time.monotonic())

    def _faded(self, now: float) -> float:
        return float(self._seconds * 0.5 ** ((now - self._at) / HALF_LIFE_SECONDS))


def places(concurrency: int, lag: float) -> int:
    """How many calls a worker may have at once: all of them up to TOLERATED_SECONDS, then fewer in proportion."""
    if lag <= TOLERATED_SECONDS:
        return concurrency
    return max(1, concurrency // LEAST_SHARE, int(concurrency * TOLERATED_SECONDS / lag))
