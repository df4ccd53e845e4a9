"""Streams of typed events, as `/responses` and `/messages` have them, in place of chunks that are all alike."""

from __future__ import annotations

from dataclasses import dataclass

from apps.gateway.errors import GatewayError, from_report
from apps.gateway.masking import Restorer
from apps.gateway.proxy.answer_json import error_in, read_document
from apps.gateway.proxy.forwarding import StreamForwarder
from orchestration.providers.openai.response_assembly import Event, Place
from orchestration.providers.streams.event_reader import event_data, malformed
from orchestration.providers.streams.event_writer import event_bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """The text in an event that is a piece of a longer one."""

    place: Place
    """What it is a piece of."""
    field: str
    """Which field of an answer it continues."""
    text: str


class EventRestorer:
    """Restores the events of one stream. The end of a piece that may begin a placeholder waits for the next one."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._held: dict[Place, tuple[Event, str]] = {}
        """The last event of each text, and what is held back of it."""

    def feed(self, event: Event) -> list[Event]:
        """The events that the client may see now."""
        piece = self.piece_of(event)
        if piece is None:
            over = [place for place in self._held if self.ends(event, place)]
            return [*(self._held_back(place) for place in over), self._restorer.value(event)]
        _, before = self._held.pop(piece.place, (event, ""))
        shown, held = self._restorer.split(before + piece.text, as_json=self._restorer.is_json(piece.field))
        if held:
            self._held[piece.place] = event, held
        return [self.with_text(event, shown)] if shown or not held else []

    def rest(self) -> list[Event]:
        """What is still held back, when the stream ended early."""
        return [self._held_back(place) for place in tuple(self._held)]

    def _held_back(self, place: Place) -> Event:
        return self.with_text(*self._held.pop(place))

    def piece_of(self, event: Event) -> Piece | None:
        """None for an event that brings no piece of a text."""
        raise NotImplementedError

    def with_text(self, event: Event, text: str) -> Event:
        """The event with another piece."""
        raise NotImplementedError

    def ends(self, event: Event, place: Place) -> bool:
        """Whether an event that brings no piece ends the text of this place."""
        raise NotImplementedError


class EventForwarder(StreamForwarder):
    """Forwards a stream of events; the last one is sent after the record is committed."""

    last = b""

    def is_last(self, event: Event) -> bool:
        """Whether nothing follows this event, which was assembled."""
        raise NotImplementedError

    def _take(self, event: bytes, passed: list[bytes]) -> None:
        data = event_data(event)
        if data is None or self.done or data == b"[DONE]":
            passed.extend([event] if data is None else [])
            return
        found = read_document(data)
        if found is None:
            raise malformed()
        value = found.value
        error = error_in(value)
        if error:
            raise from_report(error, default_wait=self.request.settings.RETRY_AFTER_SECONDS)
        if not isinstance(value.get("type"), str):
            raise malformed()
        if self._restorer is None:
            self._show(value, event if found.raw is data else event_bytes(value).rstrip(), passed)
            return
        for each in self._restorer.feed(value):
            self._show(each, event_bytes(each).rstrip(), passed)

    def _show(self, value: Event, event: bytes, passed: list[bytes]) -> None:
        if self.assembly.feed(value) and self.request.row.first_token_ms is None:
            self.request.row.first_token_ms = round(self.request.incoming.milliseconds)
        if self.is_last(value):
            self.done, self.last = True, event + b"\n\n"
        else:
            passed.append(event)

    def _error_event(self, error: GatewayError) -> bytes:
        return event_bytes({"type": "error"} | self.request.incoming.error_object(error))

    def _rest_events(self) -> list[bytes]:
        rest = self._restorer.rest() if self._restorer is not None else []
        for event in rest:
            self.assembly.feed(event)
        return [event_bytes(event) for event in rest]
