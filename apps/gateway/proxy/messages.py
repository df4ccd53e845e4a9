"""Streams of `POST /messages`: a message whose blocks come in pieces, as Anthropic's API has them."""

from __future__ import annotations

from typing import Any

from apps.gateway.proxy.typed_events import EventForwarder, EventRestorer, Piece
from orchestration.providers.anthropic.message_assembly import MessageAssembly
from orchestration.providers.anthropic.message_events import DELTAS, message_events
from orchestration.providers.openai.response_assembly import Event, Place
from orchestration.providers.streams.event_writer import event_bytes


class MessageRestorer(EventRestorer):
    """Of the events of one message."""

    def piece_of(self, event: Event) -> Piece | None:
        delta, index = event.get("delta"), event.get("index")
        if event.get("type") != "content_block_delta" or not isinstance(delta, dict) or not isinstance(index, int):
            return None
        name = DELTAS.get(str(delta.get("type")), "")
        text = delta.get(name)
        return Piece((index, name), name, text) if isinstance(text, str) else None

    def with_text(self, event: Event, text: str) -> Event:
        return event | {"delta": event["delta"] | {DELTAS[event["delta"]["type"]]: text}}

    def ends(self, event: Event, place: Place) -> bool:
        kind = event.get("type")
        return kind in {"message_delta", "message_stop"} or (
            kind == "content_block_stop" and event.get("index") == place[0]
        )


class MessageForwarder(EventForwarder):
    """Forwards the events of a message."""

    assembly_type = MessageAssembly
    restorer_type = MessageRestorer
    last = event_bytes({"type": "message_stop"})

    @classmethod
    def events_of(cls, answer: dict[str, Any], *, with_usage: bool = True) -> bytes:
        return b"".join(map(event_bytes, message_events(answer)))

    def is_last(self, event: Event) -> bool:
        return bool(event["type"] == "message_stop")
