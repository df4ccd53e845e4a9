"""What a listener of a call is told next: pieces while the answer is written, and what is stored at its end.

The listeners of a process share what is read from the database, so that a hundred of them cost what one does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from orchestration.clock import database_now
from orchestration.components.registry import services
from orchestration.components.text_paths import steps_of, texts_at
from orchestration.models import ServiceCallRecord
from orchestration.models.states import TERMINAL
from orchestration.models.stream_chunks import StreamChunk
from orchestration.types import JsonObject

READ_AGAIN_SECONDS = 0.1
FORGOTTEN_SECONDS = 30.0
"""What no listener asked for that long is not kept."""
COLUMNS = ("id", "attempt", "repair", "part", "text", "is_discarded", "created_at")


class Row(NamedTuple):
    """A StreamChunk."""

    id: int
    attempt: int
    repair: int
    part: int
    text: str
    is_discarded: bool
    created_at: datetime

    @property
    def request(self) -> tuple[int, int]:
        return self.attempt, self.repair


@dataclass(slots=True)
class StreamEvent:
    """What a listener is told; its number is that of the last piece in it."""

    sequence: int
    kind: str
    """`text`, or `discarded`: what was sent before is not the answer, and the next piece begins another one."""
    data: JsonObject
    created_at: datetime


@dataclass(slots=True, eq=False)
class _Watched:
    """The pieces of one call, as far as they were read."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: list[Row] = field(default_factory=list)
    is_over: bool = False
    read_at: float = 0.0
    asked_at: float = 0.0


_watched: dict[str, _Watched] = {}
_lock = threading.Lock()


def pieces_of(call_id: str) -> tuple[list[Row], bool]:
    """The pieces so far, and whether the call has ended; at most READ_AGAIN_SECONDS old, or as they were before the
    reading that is under way. Nobody waits for that: who has a connection of a pool would keep it from who reads."""
    now = time.monotonic()
    with _lock:
        for key in [key for key, each in _watched.items() if now - each.asked_at > FORGOTTEN_SECONDS]:
            del _watched[key]
        watched = _watched.setdefault(call_id, _Watched(asked_at=now))
        watched.asked_at = now
    if watched.lock.acquire(blocking=False):
        try:
            if time.monotonic() - watched.read_at >= READ_AGAIN_SECONDS:
                _read(call_id, watched)
        finally:
            watched.lock.release()
    rows, is_over = watched.rows, watched.is_over
    if is_over:
        with _lock:
            _watched.pop(call_id, None)
    return rows, is_over


def _read(call_id: str, watched: _Watched) -> None:
    """The state first: what is told after it is not needed once that is the end."""
    found = ServiceCallRecord.objects.filter(pk=call_id).values_list("status", flat=True).first()
    watched.is_over = found is None or found in TERMINAL
    if not watched.is_over:
        last = watched.rows[-1].id if watched.rows else 0
        news = StreamChunk.objects.filter(call_id=call_id, id__gt=last).order_by("id").values_list(*COLUMNS)
        watched.rows = [*watched.rows, *(Row(*row) for row in news)]
    watched.read_at = time.monotonic()


class Listener:
    """One listener. `after` is the number of the last event that it has, 0 at first."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self._request = (0, 0)
        """The request whose pieces it has; (0, 0) before it has any."""
        self._has_text = False
        self._is_known = False
        """It is known where it continues."""
        self._seen = 0
        """The last piece that was told, or left out."""

    def news(self, after: int) -> tuple[list[StreamEvent], bool]:
        """The events after number `after`, and whether the call has ended."""
        rows, is_over = pieces_of(self.call_id)
        if is_over:
            return [], True
        events: list[StreamEvent] = []
        newest = rows[-1].id if rows else 0
        if rows and not self._is_known:
            self._is_known = True
            if after and not self._resume(rows, after):
                events.append(_discarded(0, "unknown_offset"))
                after = 0
            if not after:
                rows = _of_last_request(rows)
        rows = [row for row in rows if row.id > max(after, self._seen)]
        self._seen = newest
        return [*events, *self._told(rows, after)], False

    def _resume(self, rows: Sequence[Row], after: int) -> bool:
        """Continue after a piece of this stream; False when there is no such piece."""
        last = next((row for row in rows if row.id == after), None)
        if last is None:
            return False
        self._request, self._has_text = last.request, not last.is_discarded
        return True

    def _told(self, rows: Sequence[Row], after: int) -> Iterator[StreamEvent]:
        """Pieces of one part that follow each other are one event, so that a slow listener gets few."""
        held: list[Row] = []
        last = after
        for row in rows:
            if row.request < self._request:  # of a worker that lost the call
                continue
            if held and (row.is_discarded or (row.request, row.part) != (held[0].request, held[0].part)):
                yield _text(held)
                held = []
            if (row.is_discarded or row.request > self._request) and self._has_text:
                self._has_text = False
                yield _discarded(row.id if row.is_discarded else last, "another_attempt")
            self._request, last = row.request, row.id
            if not row.is_discarded:
                self._has_text = True
                held.append(row)
        if held:
            yield _text(held)


def _of_last_request(rows: list[Row]) -> list[Row]:
    """Those that a new listener is sent: what no longer belongs to the answer is left out."""
    request = max(row.request for row in rows)
    rows = [row for row in rows if row.request == request]
    return [] if rows[-1].is_discarded else rows


def _text(rows: Sequence[Row]) -> StreamEvent:
    last, text = rows[-1], "".join(row.text for row in rows)
    return StreamEvent(last.id, "text", {"part": last.part, "text": text, "attempt": last.attempt}, last.created_at)


def _discarded(sequence: int, why: str) -> StreamEvent:
    return StreamEvent(sequence, "discarded", {"why": why}, database_now())


def last_words(call_id: str) -> JsonObject:
    """How the call ended, with the texts of its stored answer in place of what was told before; `parts` is None where
    there is none, or it is purged."""
    call = (
        ServiceCallRecord.objects.filter(pk=call_id)
        .only("status", "error_code", "result", "service_identity", "domain_persist_state")
        .first()
    )
    if call is None:
        return {"status": "gone", "error_code": "", "parts": None}
    return {"status": call.status, "error_code": call.error_code, "parts": _parts(call)}


def _parts(call: ServiceCallRecord) -> list[str] | None:
    result: Any = call.result
    if not isinstance(result, dict):
        return None
    service = services.try_get(call.service_identity)
    stream = service.stream if service is not None else False
    data = result.get("structured_data")
    if isinstance(stream, str) and isinstance(data, dict):
        return texts_at(data, steps_of(stream))
    return [result["output"]] if isinstance(result.get("output"), str) and data is None else None
