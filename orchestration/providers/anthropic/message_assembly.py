"""One message from the events of a stream of `POST /messages`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestration.providers.streams.folding import Folded

Event = dict[str, Any]
OF_AN_EVENT = frozenset({"type", "delta", "usage"})
"""Fields of `message_delta` that are not the message's."""


@dataclass(slots=True)
class _Block:
    """One block of the content."""

    folded: Folded = field(default_factory=Folded)
    written: list[str] = field(default_factory=list)
    """Pieces of the JSON of a tool's input."""

    def feed(self, delta: dict[str, Any]) -> bool:
        """Add a delta; returns whether it contained anything that was said."""
        pieces = {name: value for name, value in delta.items() if name != "type"}
        if isinstance(pieces.get("partial_json"), str):
            self.written.append(pieces.pop("partial_json"))
        if "citation" in pieces:
            pieces["citations"] = [pieces.pop("citation")]
        self.folded.feed(pieces)
        return any(value for name, value in delta.items() if name != "type")

    def value(self) -> dict[str, Any]:
        """The block so far; the input of a tool that was cut off stays the text that came of it."""
        value, written = self.folded.value(), "".join(self.written)
        return value | {"input": _read(written)} if written else value

    @property
    def certain(self) -> bool:
        """Whether its provider would have sent it as it is."""
        written = "".join(self.written)
        return self.folded.certain and (not written or isinstance(_read(written), dict))


def _read(written: str) -> Any:
    try:
        return orjson.loads(written)
    except orjson.JSONDecodeError:
        return written


@dataclass(slots=True)
class MessageAssembly:
    """The message so far."""

    head: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    _blocks: dict[int, _Block] = field(default_factory=dict)
    _others: list[Event] = field(default_factory=list)
    """Events that belong to no block."""

    @property
    def begun(self) -> bool:
        """Something was said, or the message has ended."""
        return bool(self._blocks or self._others or self.finished)

    @property
    def finished(self) -> bool:
        """It is known why the message ended."""
        return self.head.get("stop_reason") is not None

    @property
    def certain(self) -> bool:
        """Whether the message is beyond doubt what its provider would have sent as a whole."""
        return not self._others and all(block.certain for block in self._blocks.values())

    def feed(self, event: Event) -> bool:
        """Add an event; returns whether it contained anything that was said."""
        message, delta, index = (event.get(name) for name in ("message", "delta", "index"))
        match event.get("type"):
            case "message_start" if isinstance(message, dict):
                self.head = {name: value for name, value in message.items() if name not in {"content", "usage"}}
                self._count(message.get("usage"), is_final=False)
                self._others += [event] if message.get("content") else []
            case "message_delta":
                self.head |= {name: value for name, value in event.items() if name not in OF_AN_EVENT}
                self.head |= delta if isinstance(delta, dict) else {}
                self._count(event.get("usage"), is_final=True)
            case "content_block_start" if isinstance(index, int) and isinstance(event.get("content_block"), dict):
                self._blocks[index] = block = _Block()
                block.folded.feed(event["content_block"])
            case "content_block_delta" if isinstance(delta, dict) and isinstance(index, int) and index in self._blocks:
                return self._blocks[index].feed(delta)
            case "content_block_delta":
                self._others.append(event)
                return True
        return False

    def _count(self, usage: Any, *, is_final: bool) -> None:
        """What is said at the beginning of the output is about its first token."""
        given = usage if isinstance(usage, dict) else {}
        known = {name: value for name, value in given.items() if value is not None}
        if not is_final:
            known.pop("output_tokens", None)
        if known:
            self.usage = (self.usage or {}) | known

    def answer(self) -> dict[str, Any]:
        """The message as it would have come without streaming, or as far as it came."""
        blocks = [block for _, block in sorted(self._blocks.items())]
        answer = {"type": "message", **self.head, "content": [block.value() for block in blocks]}
        unfolded = [piece for block in blocks for piece in block.folded.unfolded] + self._others
        if unfolded:
            answer["unfolded"] = unfolded
        return answer if self.usage is None else answer | {"usage": self.usage}
