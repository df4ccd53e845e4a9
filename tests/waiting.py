"""Waiting for a condition; never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY = 4


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait for a condition; AssertionError that says what did not happen.

    `seconds` is for an idle machine. BUSY times as long is waited: a dozen processes of other tests share it.
    """
    deadline = time.monotonic() + seconds * BUSY
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds * BUSY:g} s: {what}"
        time.sleep(0.1)
