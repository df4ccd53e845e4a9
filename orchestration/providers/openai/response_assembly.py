"""One response from the events of a stream of `POST /responses`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestration.providers.openai.response_events import FINAL, ITEMS

Event = dict[str, Any]
Place = tuple[Any, ...]
FINAL_TYPES = frozenset(f"response.{status}" for status in FINAL)
INDEXES = ("output_index", "summary_index", "content_index")
"""Where the text of an event belongs."""
ITEM_FIELDS = {name: field for field, name in ITEMS.values()}
PART_FIELDS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text", "reasoning_summary_text": "text"}


def place_of(event: Event) -> Place:
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
