"""The plan's clock: it is paused while a strike waits for a target, so that calls and strikes keep their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.05


class PlanClock:
    """Seconds since `start()`, without the time in which it was paused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._stood = 0.0
        self._standing_since: float | None = None

    def start(self) -> None:
        self._started = time.monotonic()

    def now(self) -> float:
        with self._lock:
            until = time.monotonic() if self._standing_since is None else self._standing_since
            return until - self._started - self._stood

    def wait_until(self, moment: float) -> None:
        while self.now() < moment:
            time.sleep(LOOK_SECONDS)

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Pauses the clock within the block; for one thread at a time."""
        with self._lock:
            self._standing_since = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._stood += time.monotonic() - (self._standing_since or time.monotonic())
                self._standing_since = None
