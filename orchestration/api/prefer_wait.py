"""`Prefer: wait=N` (RFC 7240): delay the response until the call has finished, without a connection, and under ASGI
without a thread."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

from orchestration.api.errors import ApiError
from orchestration.api.event_loops import in_thread, pause
from orchestration.engine.queue.database_thread import DATABASE_AWAY, is_away
from orchestration.models import ServiceCallRecord
from orchestration.shutdown import stop_asked

MAX_WAIT_SECONDS = 60
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*("?)(\d{1,18})\1(?=$|[,;\s])', re.ASCII | re.IGNORECASE)
RETRY_AFTER_SECONDS = 5
"""How long a caller is asked to wait when the database is away."""


def preferred_wait(prefer: str | None) -> int:
    """Seconds that the header asks for, at most MAX_WAIT_SECONDS; 0 when it asks for none."""
    match = WAIT.search(prefer or "")
    return min(int(match[2]), MAX_WAIT_SECONDS) if match else 0


async def wait_until_finished(call_id: str, seconds: float) -> bool:
    """As `wait_until`: whether the call has finished in time."""
    return await wait_until(ServiceCallRecord.objects.finished().filter(pk=call_id).exists, seconds)


async def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Poll, less and less often, until a condition holds; False when the time is over or the server stops.

    Between two polls there is no transaction, no database connection and, in an event loop, no thread at work.
    """
    deadline = time.monotonic() + seconds
    next_look = FIRST_PAUSE_SECONDS
    while not await in_thread(_look, holds):
        left = deadline - time.monotonic()
        if left <= 0 or stop_asked():
            return False
        await pause(min(next_look, left))
        next_look = min(next_look * 1.5, LONGEST_PAUSE_SECONDS)
    return True


@contextmanager
def link_when_away(location: str) -> Iterator[None]:
    """While a caller waits for what is stored already: when the database goes away, ApiError 503 with its link."""
    try:
        yield
    except DATABASE_AWAY as error:
        if not is_away(error):
            raise
        raise look_later(location) from error


def look_later(location: str) -> ApiError:
    """The 503 for a database that went away after what was sent had been stored."""
    return ApiError(
        503,
        "database_away",
        "The connection to the database was lost while waiting. What you sent is stored: look at `location` later,"
        " do not send it again.",
        {"location": location, "retry_after": RETRY_AFTER_SECONDS},
    )


def _look(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    finally:
        if not connection.in_atomic_block:
            connection.close()
