"""`Prefer: wait=N` (RFC 7240): hold the answer back until the call has finished, holding nothing else meanwhile."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from asgiref.sync import sync_to_async
from django.db import connection

from orchestration.models import ServiceCallRecord
from orchestration.stopping import stop_asked

MAX_WAIT_SECONDS = 60
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})(?=$|[,;\s])")


def preferred_wait(prefer: str | None) -> int:
    """Seconds that the header asks for, at most MAX_WAIT_SECONDS; 0 when it asks for none."""
    match = WAIT.search(prefer or "")
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0


async def wait_until_finished(call_id: str, seconds: float) -> bool:
    """As `wait_until`: whether the call has finished in time."""
    return await wait_until(ServiceCallRecord.objects.finished().filter(pk=call_id).exists, seconds)


async def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Look again and again, ever less often, whether something holds; False when the time is over or the server stops.

    Between two looks there is no transaction, no database connection and no thread at work.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while not await sync_to_async(_look)(holds):
        left = deadline - time.monotonic()
        if left <= 0 or stop_asked():
            return False
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
    return True


def _look(holds: Callable[[], bool]) -> bool:
    found = holds()
    if not connection.in_atomic_block:
        connection.close()
    return found
