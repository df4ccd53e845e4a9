"""Streams of `POST /responses`: typed events, of which the last one holds the whole response."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apps.gateway.errors import GatewayError, from_report
from apps.gateway.masking import Restorer
from apps.gateway.models import Status
from apps.gateway.proxy.answer_json import error_in, read_document
from apps.gateway.proxy.forwarding import StreamForwarder
from apps.gateway.proxy.sse_parser import event_data, malformed
from orchestration.providers.openai.response_events import FINAL, ITEMS, event_bytes, response_events

FINAL_TYPES = frozenset(f"response.{status}" for status in FINAL)
INDEXES = ("output_index", "summary_index", "content_index")
"""Where the text of an event belongs."""
ITEM_FIELDS = {name: field for field, name in ITEMS.values()}
PART_FIELDS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text", "reasoning_summary_text": "text"}
Place = tuple[Any, ...]


def place_of(event: dict[str, Any]) -> Place:
    """What an event's text is of: the same for its deltas and the event that ends them."""
    name = str(event.get("type")).removesuffix(".delta").removesuffix(".done")
    indexes = (event.get(index) for index in INDEXES)
    return (name, *(index if isinstance(index, int) else None for index in indexes))


@dataclass(slots=True)
class ResponseAssembly:
    """The response so far. Its last event replaces all that was put together from the others."""

    head: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    finished: bool = False
    certain: bool = True
    _items: dict[int, dict[str, Any]] = field(default_factory=dict)
    _texts: dict[Place, list[str]] = field(default_factory=dict)
    """Of items that are not done."""

    @property
    def begun(self) -> bool:
        """Something was said, or the response is whole."""
        return bool(self.finished or self._items or self._texts)

    def feed(self, event: dict[str, Any]) -> bool:
        """Add an event; returns whether it contained anything that was said."""
        kind, response, item, index = (event.get(name) for name in ("type", "response", "item", "output_index"))
        if isinstance(response, dict):
            self.head = response
            self.usage = response["usage"] if isinstance(response.get("usage"), dict) else self.usage
            self.finished = self.finished or kind in FINAL_TYPES
        elif isinstance(item, dict) and isinstance(index, int):
            self._items[index] = item
            if kind == "response.output_item.done":
                self._texts = {place: text for place, text in self._texts.items() if place[1] != index}
        elif isinstance(event.get("delta"), str):
            self._texts.setdefault(place_of(event), []).append(event["delta"])
            return bool(event["delta"])
        return False

    def answer(self) -> dict[str, Any]:
        """The response as it would have come without streaming, or as far as it came."""
        if self.finished:
            return self.head
        items = {index: dict(item) for index, item in sorted(self._items.items())}
        unfolded = []
        for place, texts in self._texts.items():
            if not _put(items.get(place[1]), place, "".join(texts)):
                unfolded.append({"type": place[0], "text": "".join(texts)})
        answer = self.head | {"output": list(items.values())}
        return answer | {"unfolded": unfolded} if unfolded else answer


def _put(item: dict[str, Any] | None, place: Place, text: str) -> bool:
    """Write a text into its item; False when the item, or the field, is not known."""
    name = place[0].removeprefix("response.")
    if item is None:
        return False
    if name in ITEM_FIELDS:
        item[ITEM_FIELDS[name]] = text
        return True
    if name not in PART_FIELDS:
        return False
    where, kind = ("summary", "summary_text") if name == "reasoning_summary_text" else ("content", name)
    parts = item.get(where)
    item[where] = [*(parts if isinstance(parts, list) else ()), {"type": kind, PART_FIELDS[name]: text}]
    return True


class ResponseRestorer:
    """Restores the events of one stream. The end of a delta that may begin a placeholder waits for the next one."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._held: dict[Place, dict[str, Any]] = {}
        """The last delta of each text, with what is held back of it."""

    def feed(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """The events that the client may see now."""
        kind, delta = str(event.get("type")), event.get("delta")
        place = place_of(event)
        if kind.endswith(".delta") and isinstance(delta, str):
            before = self._held.pop(place, {"delta": ""})["delta"]
            field_name = ITEM_FIELDS.get(place[0].removeprefix("response."), "text")
            shown, held = self._restorer.split(before + delta, as_json=self._restorer.is_json(field_name))
            if held:
                self._held[place] = event | {"delta": held}
            return [event | {"delta": shown}] if shown or not held else []
        held_back = self._held.pop(place, None)
        return [*([held_back] if held_back else ()), self._restorer.value(event)]

    def rest(self) -> list[dict[str, Any]]:
        """What is still held back, when the stream ended early."""
        rest, self._held = list(self._held.values()), {}
        return rest


class ResponseForwarder(StreamForwarder):
    """Forwards a stream of events; the last one is sent after the record is committed."""

    assembly_type = ResponseAssembly
    restorer_type = ResponseRestorer
    last = b""

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

    def _show(self, value: dict[str, Any], event: bytes, passed: list[bytes]) -> None:
        if self.assembly.feed(value) and self.request.row.first_token_ms is None:
            self.request.row.first_token_ms = round(self.request.incoming.milliseconds)
        if self.assembly.finished:
            self.done, self.last = True, event + b"\n\n"
        else:
            passed.append(event)

    def _events_of(self, answer: dict[str, Any]) -> bytes:
        return b"".join(map(event_bytes, response_events(answer)))

    def _error_event(self, error: GatewayError) -> bytes:
        return event_bytes({"type": "error", "error": error.as_object()})

    def _rest_events(self) -> list[bytes]:
        rest = self._restorer.rest() if self._restorer is not None else []
        for event in rest:
            self.assembly.feed(event)
        return [event_bytes(event) for event in rest]

    def _outcome(self) -> tuple[Status, str]:
        error = self.assembly.answer().get("error")
        if self.assembly.answer().get("status") != "failed":
            return Status.COMPLETED, ""
        return Status.FAILED, from_report(error, default_wait=1).recorded_as
