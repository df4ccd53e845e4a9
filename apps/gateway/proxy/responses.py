"""Streams of `POST /responses`: typed events, of which the last one holds the whole response."""

from __future__ import annotations

from typing import Any

from apps.gateway.errors import from_report
from apps.gateway.models import Status
from apps.gateway.proxy.typed_events import EventForwarder, EventRestorer, Piece
from orchestration.providers.openai.response_assembly import ITEM_FIELDS, Event, Place, ResponseAssembly, place_of
from orchestration.providers.openai.response_events import response_events
from orchestration.providers.streams.event_writer import event_bytes


class ResponseRestorer(EventRestorer):
    """Of the events of one response."""

    def piece_of(self, event: Event) -> Piece | None:
        delta = event.get("delta")
        if not str(event.get("type")).endswith(".delta") or not isinstance(delta, str):
            return None
        place = place_of(event)
        return Piece(place, ITEM_FIELDS.get(place[0].removeprefix("response."), "text"), delta)

    def with_text(self, event: Event, text: str) -> Event:
        return event | {"delta": text}

    def ends(self, event: Event, place: Place) -> bool:
        return place == place_of(event)


class ResponseForwarder(EventForwarder):
    """Forwards the events of a response."""

    assembly_type = ResponseAssembly
    restorer_type = ResponseRestorer

    @classmethod
    def events_of(cls, answer: dict[str, Any], *, with_usage: bool = True) -> bytes:
        return b"".join(map(event_bytes, response_events(answer)))

    def is_last(self, event: Event) -> bool:
        return bool(self.assembly.finished)

    def _outcome(self) -> tuple[Status, str]:
        error = self.assembly.answer().get("error")
        if self.assembly.answer().get("status") != "failed":
            return Status.COMPLETED, ""
        return Status.FAILED, from_report(error, default_wait=1).recorded_as
