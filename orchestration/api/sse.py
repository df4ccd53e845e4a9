"""Event rows as server-sent events, resumable by the number of the last one."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Protocol

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Header

from orchestration.api.errors import ApiError
from orchestration.engine.queue.database_thread import DATABASE_AWAY
from orchestration.log import describe
from orchestration.shutdown import stop_asked
from orchestration.types import JsonObject

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.3
QUIET_PAUSE_SECONDS = 1.0
"""Between two polls when nothing happened for a while."""
QUIET_AFTER_SECONDS = 20.0
KEEP_ALIVE_SECONDS = 15.0
"""Proxies close what is silent for longer, a minute as a rule."""
MAX_STREAM_SECONDS = 300.0
"""A stream ends after this time; the browser comes back with the last id it has, and is asked again who it is."""
RECONNECT_MS = 1000
AWAY_RECONNECT_MS = 5000
STOPPING = 'event: stopping\ndata: {"message": "The server is stopping, reconnect."}\n\n'
"""The last event of a stream that the server cannot continue. It has no id: the reader keeps the last one it has."""
UNAVAILABLE = (
    f"retry: {AWAY_RECONNECT_MS}\n"
    'event: unavailable\ndata: {"message": "The database cannot be reached, reconnect."}\n\n'
)
"""The same when the database is away."""
LAST = 2**31 - 1

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=32)]


STREAM_ANSWER = {
    "responses": {
        200: {
            "description": "Server-sent events: each has a name, JSON as `data`, and an `id` unless it is `end`,"
            " `stopping` or `unavailable`; after them the stream ends.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    }
}
"""`openapi_extra` of operations that answer with `streaming_response`."""


class StoredEvent(Protocol):
    """A row that tells something; its number is the event's id."""

    sequence: int
    kind: str
    data: JsonObject
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What is new since the last poll."""

    events: Sequence[StoredEvent]
    is_over: bool
    """Nothing more will happen by itself."""
    last_words: JsonObject = field(default_factory=dict)
    """Data of the event `end`, which is sent when it is over."""


class EventStream:
    """What to send after each poll, the same for both kinds of server. `poll(n)` finds what came after number n.

    `pause`: seconds between two polls while something happens; `thread_seconds`: how long it may take a thread of a
    WSGI server.
    """

    def __init__(
        self,
        poll: Callable[[int], Poll],
        after: int,
        *,
        pause: float = PAUSE_SECONDS,
        thread_seconds: float = MAX_STREAM_SECONDS,
    ) -> None:
        self.after = after
        self.ended = False
        self._poll = poll
        self._busy_pause, self._thread_seconds = pause, thread_seconds
        self._deadline = time.monotonic() + MAX_STREAM_SECONDS
        self._quiet_since = self._last_event_at = time.monotonic()

    async def atexts(self) -> AsyncIterator[str]:
        """For ASGI: between two polls there is no connection and no thread at work."""
        yield f"retry: {RECONNECT_MS}\n\n"
        while not self.ended:
            text = await sync_to_async(self._next)()
            if text:
                yield text
            if not self.ended:
                await asyncio.sleep(self._pause)

    def texts(self) -> Iterator[str]:
        """For WSGI: it takes a thread for as long as it lasts."""
        self._deadline = time.monotonic() + min(self._thread_seconds, MAX_STREAM_SECONDS)
        yield f"retry: {RECONNECT_MS}\n\n"
        while not self.ended:
            text = self._next()
            if text:
                yield text
            if not self.ended:
                time.sleep(self._pause)

    @property
    def _pause(self) -> float:
        """Seconds until the next poll: short while something happens."""
        quiet = time.monotonic() - self._last_event_at > QUIET_AFTER_SECONDS
        return QUIET_PAUSE_SECONDS if quiet else self._busy_pause

    def _next(self) -> str:
        if stop_asked():
            self.ended = True
            return STOPPING
        try:
            return self._take(self._poll(self.after))
        except DATABASE_AWAY as error:
            logger.warning("event stream ended error=%s", describe(error))
            self.ended = True
            return UNAVAILABLE
        finally:
            if not connection.in_atomic_block:
                connection.close()

    def _take(self, seen: Poll) -> str:
        """The text of the new events; the last words when it is over."""
        text = "".join(map(_as_text, seen.events))
        now = time.monotonic()
        if seen.events:
            self.after = seen.events[-1].sequence
            self._last_event_at = now
        if seen.is_over:
            text += f"event: end\ndata: {json.dumps(seen.last_words)}\n\n"
        self.ended = seen.is_over or now >= self._deadline
        if not text and now - self._quiet_since >= KEEP_ALIVE_SECONDS:
            text = ": still here\n\n"
        if text:
            self._quiet_since = now
        return text


def _as_text(event: StoredEvent) -> str:
    data = json.dumps({**event.data, "at": event.created_at.isoformat()})
    return f"id: {event.sequence}\nevent: {event.kind}\ndata: {data}\n\n"


def resumed_after(last_event_id: str | None, otherwise: int = 0, *, most: int = LAST) -> int:
    """The number that a reader has seen last; ApiError 422 when what it sends is none."""
    if not last_event_id:
        return otherwise
    if not (last_event_id.isascii() and last_event_id.isdigit()):
        raise ApiError(422, "invalid_last_event_id", "Last-Event-ID is the id of an event of this stream, a number.")
    return min(int(last_event_id), most)


def streaming_response(request: HttpRequest, stream: EventStream) -> StreamingHttpResponse:
    """A stream that no proxy holds back or changes."""
    texts = stream.atexts() if isinstance(request, ASGIRequest) else stream.texts()
    response = StreamingHttpResponse(texts, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response
