"""A simulation's events as server-sent events, resumable by the number of the last one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.db import connection

from apps.simulation.models import FeedbackStatus, Simulation, SimulationEvent, SimulationStatus

if TYPE_CHECKING:
    from apps.accounts.models import User

PAUSE_SECONDS = 0.3
QUIET_PAUSE_SECONDS = 1.0
"""Between two looks when nothing happened for a while."""
QUIET_AFTER_SECONDS = 20.0
KEEP_ALIVE_SECONDS = 15.0
"""Proxies close what is silent for longer, a minute as a rule."""
MAX_STREAM_SECONDS = 300.0
"""A stream ends after this time; the browser comes back with the last id it has, and is asked again who it is."""
MAX_AT_ONCE = 500
RECONNECT_MS = 1000


@dataclass(frozen=True, slots=True)
class Look:
    """What is new since the last look; `settled` when nothing more will happen by itself."""

    events: list[SimulationEvent]
    settled: bool


def look(simulation_id: int, after: int, user: User) -> Look:
    """One row is read while nothing happens: it counts the events. It is read before them, so that no event of a
    settled simulation is missed."""
    rows = Simulation.objects.filter(pk=simulation_id)
    state = rows.values_list("status", "feedback_status", "next_event").first()
    events: list[SimulationEvent] = []
    if state is not None and state[2] - 1 > after:
        events = list(SimulationEvent.objects.after(simulation_id, after).for_reader(user)[:MAX_AT_ONCE])
    if not connection.in_atomic_block:
        connection.close()
    over = state is None or (state[0] == SimulationStatus.ENDED and state[1] != FeedbackStatus.PENDING)
    return Look(events, over and len(events) < MAX_AT_ONCE)


def as_text(event: SimulationEvent) -> str:
    data = json.dumps({**event.data, "at": event.created_at.isoformat()})
    return f"id: {event.sequence}\nevent: {event.kind}\ndata: {data}\n\n"


class Stream:
    """What to send after each look; the same for both kinds of server."""

    def __init__(self, simulation_id: int, after: int, user: User) -> None:
        self.simulation_id = simulation_id
        self.after = after
        self.user = user
        self.ended = False
        self._deadline = time.monotonic() + MAX_STREAM_SECONDS
        self._quiet_since = self._last_event_at = time.monotonic()

    @property
    def pause(self) -> float:
        """Seconds until the next look: short while something happens."""
        quiet = time.monotonic() - self._last_event_at > QUIET_AFTER_SECONDS
        return QUIET_PAUSE_SECONDS if quiet else PAUSE_SECONDS

    def look(self) -> Look:
        return look(self.simulation_id, self.after, self.user)

    def take(self, seen: Look) -> str:
        """The text of the new events; the last words when the simulation is settled."""
        text = "".join(map(as_text, seen.events))
        now = time.monotonic()
        if seen.events:
            self.after = seen.events[-1].sequence
            self._last_event_at = now
        if seen.settled:
            text += "event: end\ndata: {}\n\n"
        self.ended = seen.settled or now >= self._deadline
        if not text and now - self._quiet_since >= KEEP_ALIVE_SECONDS:
            text = ": still here\n\n"
        if text:
            self._quiet_since = now
        return text


async def stream_async(stream: Stream) -> AsyncIterator[str]:
    """For ASGI: between two looks there is no connection and no thread at work."""
    yield f"retry: {RECONNECT_MS}\n\n"
    while not stream.ended:
        text = stream.take(await sync_to_async(stream.look)())
        if text:
            yield text
        if not stream.ended:
            await asyncio.sleep(stream.pause)


def stream_sync(stream: Stream) -> Iterator[str]:
    """For WSGI: it takes a thread for as long as it lasts."""
    yield f"retry: {RECONNECT_MS}\n\n"
    while not stream.ended:
        text = stream.take(stream.look())
        if text:
            yield text
        if not stream.ended:
            time.sleep(stream.pause)
