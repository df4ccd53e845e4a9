"""A run's events as server-sent events, resumable, and waiting for a run to end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connection

from apps.consensus.models import Run, RunEvent
from apps.consensus.models.runs import OPEN

PAUSE_SECONDS = 0.3
HEARTBEAT_SECONDS = 15.0
MAX_STREAM_SECONDS = 300.0
"""A stream ends after this time; the browser comes back with the last id it has."""
RECONNECT_MS = 1000


@dataclass(frozen=True, slots=True)
class Look:
    """What is new since the last look, and whether the run has ended."""

    events: list[RunEvent]
    ended: bool
    status: str


def look(run_id: UUID, after: int) -> Look:
    """The state is read first, so that no event of an ended run is missed."""
    status = Run.objects.filter(pk=run_id).values_list("status", flat=True).first() or "deleted"
    events = list(RunEvent.objects.filter(run=run_id, sequence__gt=after).order_by("sequence"))
    if not connection.in_atomic_block:
        connection.close()
    return Look(events, status not in OPEN, status)


def as_text(event: RunEvent) -> str:
    data = json.dumps({**event.data, "at": event.created_at.isoformat()})
    return f"id: {event.sequence}\nevent: {event.kind}\ndata: {data}\n\n"


class Stream:
    """What to send after each look; the same for both kinds of server."""

    def __init__(self, run_id: UUID, after: int) -> None:
        self.run_id = run_id
        self.after = after
        self.deadline = time.monotonic() + MAX_STREAM_SECONDS
        self.ended = False
        self._quiet_since = time.monotonic()

    def take(self, seen: Look) -> str:
        """The text of the new events; the last words when the run has ended."""
        text = "".join(map(as_text, seen.events))
        if seen.events:
            self.after = seen.events[-1].sequence
        if seen.ended:
            text += f"event: end\ndata: {json.dumps({'status': seen.status})}\n\n"
        now = time.monotonic()
        self.ended = seen.ended or now >= self.deadline
        if not text and now - self._quiet_since >= HEARTBEAT_SECONDS:
            text = ": still here\n\n"
        if text:
            self._quiet_since = now
        return text


async def stream_async(run_id: UUID, after: int) -> AsyncIterator[str]:
    """For ASGI: between two looks there is no connection and no thread at work."""
    stream = Stream(run_id, after)
    yield f"retry: {RECONNECT_MS}\n\n"
    while not stream.ended:
        text = stream.take(await sync_to_async(look)(run_id, stream.after))
        if text:
            yield text
        if not stream.ended:
            await asyncio.sleep(PAUSE_SECONDS)


def stream_sync(run_id: UUID, after: int) -> Iterator[str]:
    """For WSGI: it takes a thread for as long as it lasts."""
    stream = Stream(run_id, after)
    yield f"retry: {RECONNECT_MS}\n\n"
    while not stream.ended:
        text = stream.take(look(run_id, stream.after))
        if text:
            yield text
        if not stream.ended:
            time.sleep(PAUSE_SECONDS)


async def wait_until_ended(run_id: UUID, seconds: float) -> bool:
    """Look ever less often whether the run has ended; False when the time is over."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while not (await sync_to_async(look)(run_id, 2**31 - 1)).ended:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, 1.0)
    return True
