"""Folds the pieces of a stream into the value that they are pieces of, by one rule for each kind of field.

Texts are appended where the protocol appends, objects are merged, items of lists are found by their `index`, and a
piece without one continues the last item where it can. What cannot be folded without doubt is kept, and said so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestration.providers.streams.delta_fields import APPENDED, NAMES, PIECEWISE, names_call

LATEST = frozenset({"expires_at", "index", "created"})
"""Numbers of which the latest counts."""
TEXT_PARTS = ("text", "thinking", "reasoning.text", "reasoning.summary")
"""Types of parts that come in pieces."""
DEEPEST = 50


class _Text:
    """A text that is still coming."""

    __slots__ = ("parts",)

    def __init__(self, first: str) -> None:
        self.parts = [first]


@dataclass(slots=True)
class Folded:
    """A message that is folded from deltas."""

    certain: bool = True
    """False after a piece for which there is no rule: the message may not be what its provider meant."""
    unfolded: list[dict[str, Any]] = field(default_factory=list)
    """The pieces that fit nowhere, in order."""
    _fields: dict[str, Any] = field(default_factory=dict)

    def feed(self, delta: dict[str, Any]) -> None:
        """Add a delta."""
        for name, piece in delta.items():
            self._fold(self._fields, name, piece, 0)

    def value(self) -> dict[str, Any]:
        """The message so far."""
        found: dict[str, Any] = _joined(self._fields)
        return found

    def _fold(self, target: dict[str, Any], name: str, piece: Any, depth: int) -> None:
        before = target.get(name)
        if piece is None:
            target.setdefault(name, None)
        elif before is None:
            target[name] = self._begun(name, piece, depth)
        elif isinstance(piece, str) and isinstance(before, str | _Text):
            target[name] = self._continued(name, before, piece)
        elif isinstance(piece, dict) and isinstance(before, dict):
            for key, each in piece.items():
                self._fold(before, key, each, depth + 1)
        elif isinstance(piece, list) and isinstance(before, list):
            self._fold_list(name, before, piece, depth)
        elif name == "content" and isinstance(piece, str | list):
            target[name] = self._as_parts(before, depth)
            self._fold_list(name, target[name], piece if isinstance(piece, list) else _text_part(piece), depth)
        elif isinstance(piece, bool | int | float) and isinstance(before, bool | int | float):
            self.certain = self.certain and (name in LATEST or piece == before)
            target[name] = piece
        else:
            self.certain = False
            self.unfolded.append({name: piece})

    def _begun(self, name: str, piece: Any, depth: int) -> Any:
        if depth > DEEPEST:
            self.certain = False
            return None
        if isinstance(piece, str):
            return _Text(piece) if _is_appended(name, depth) else piece
        if isinstance(piece, dict):
            begun: dict[str, Any] = {}
            for key, each in piece.items():
                self._fold(begun, key, each, depth + 1)
            return begun
        if isinstance(piece, list):
            items: list[Any] = []
            self._fold_list(name, items, piece, depth)
            return items
        return piece

    def _continued(self, name: str, before: str | _Text, piece: str) -> str | _Text:
        if isinstance(before, _Text):
            before.parts.append(piece)
            return before
        if not piece or (piece == before and name in NAMES):
            return before
        if before:
            self.certain = False
        return piece if name in NAMES and name != "name" else before + piece

    def _as_parts(self, before: Any, depth: int) -> list[Any]:
        """Content that was a text so far, as a list of parts."""
        if isinstance(before, list):
            return before
        parts: list[Any] = []
        text = _joined(before)
        if text:
            self._fold_list("content", parts, _text_part(text), depth)
        return parts

    def _fold_list(self, name: str, items: list[Any], piece: list[Any], depth: int) -> None:
        if name not in PIECEWISE and _repeats(piece, _joined(items)):  # some servers send all that there is so far
            piece = piece[len(items) :]
        for each in piece:
            if isinstance(each, dict):
                self._fold_item(name, items, each, depth + 1)
            else:
                items.append(self._begun("", each, depth + 1))

    def _fold_item(self, name: str, items: list[Any], piece: dict[str, Any], depth: int) -> None:
        found = _item_of(name, items, piece)
        if found is not None and (_differ(found, piece) or (name == "tool_calls" and _begins_anew(found, piece))):
            self.certain, found = False, None
        if found is None:
            items.append(self._begun(name, piece, depth))
            return
        for key, each in piece.items():
            self._fold(found, key, each, depth + 1)


def _is_appended(name: str, depth: int) -> bool:
    """A text that is directly in a delta is appended even when its name is not known, as all clients do."""
    return name in APPENDED or (depth == 0 and name not in NAMES)


def _text_part(text: str) -> list[Any]:
    return [{"type": "text", "text": text}]


def _repeats(piece: list[Any], items: list[Any]) -> bool:
    """Whether a piece begins with all items so far; numbers (of tokens, say) are never repeated."""
    return bool(items) and not isinstance(items[0], int | float) and piece[: len(items)] == items


def _item_of(name: str, items: list[Any], piece: dict[str, Any]) -> dict[str, Any] | None:
    """The item that a piece belongs to."""
    objects = [item for item in items if isinstance(item, dict)]
    index = piece.get("index")
    if isinstance(index, int):
        return next((item for item in reversed(objects) if item.get("index") == index), None)
    last = items[-1] if items else None
    if name not in PIECEWISE or not isinstance(last, dict):
        return None
    if name == "tool_calls":
        return last if _continues_call(last, piece) else None
    kind = last.get("type")
    return last if kind in TEXT_PARTS and piece.get("type", kind) == kind and not _differ(last, piece) else None


def _continues_call(last: dict[str, Any], piece: dict[str, Any]) -> bool:
    """A call begins with an id, or at least with a name."""
    if piece.get("id"):
        return bool(piece["id"] == last.get("id"))
    return not names_call(piece)


def _begins_anew(call: dict[str, Any], piece: dict[str, Any]) -> bool:
    """Whether a piece is another call although its index is that of a whole one: some servers number all with 0."""
    if (piece.get("id") and piece["id"] == call.get("id")) or not names_call(piece):
        return False
    more = piece.get("function")
    begins = isinstance(more, dict) and str(more.get("arguments", "")).lstrip().startswith("{")
    return begins and _is_whole(_joined(call.get("function")))


def _is_whole(function: Any) -> bool:
    """Whether the arguments of a call are an object in JSON."""
    try:
        return isinstance(orjson.loads(function["arguments"]), dict)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False


def _differ(item: dict[str, Any], piece: dict[str, Any]) -> bool:
    """Whether both have an id, and not the same one."""
    return bool(piece.get("id") and item.get("id") and piece["id"] != item["id"])


def _joined(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value.parts)
    if isinstance(value, dict):
        return {name: _joined(each) for name, each in value.items()}
    return [_joined(each) for each in value] if isinstance(value, list) else value
