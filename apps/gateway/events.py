"""A stream of chat chunks: cut into events, read on the side, and put together again into one answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestration.errors import ProviderError

LONGEST_EVENT = 4_000_000
DONE = b"data: [DONE]\n\n"
NO_USAGE = b',"usage":null'
"""What chunks carry when usage was asked for. Within a JSON text its quotes would be escaped, so it is never one."""


class EventReader:
    """Whole events out of a stream of bytes, whatever pieces they come in."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are complete now, without their empty line. ProviderError when one never ends."""
        whole = self._rest + data
        if b"\r" in whole:
            whole = whole.replace(b"\r\n", b"\n")
        *events, self._rest = whole.split(b"\n\n")
        if len(self._rest) > LONGEST_EVENT:
            raise malformed()
        return events


def event_data(event: bytes) -> bytes | None:
    """The data of an event; None for a comment (a keep-alive)."""
    if event.startswith(b"data:") and b"\n" not in event:
        return event[5:].strip()
    lines = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def read_chunk(data: bytes) -> dict[str, Any]:
    """The chunk in an event's data; ProviderError `malformed_response` when it is none."""
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise malformed() from None
    if not isinstance(chunk, dict) or not isinstance(chunk.get("choices", []), list):
        raise malformed()
    return chunk


def malformed() -> ProviderError:
    return ProviderError("A chunk of the stream cannot be read.", code="malformed_response")


@dataclass(slots=True)
class _Choice:
    message: dict[str, Any] = field(default_factory=lambda: {"role": "assistant", "content": None})
    texts: dict[str, list[str]] = field(default_factory=dict)
    """Fields of the message that come in pieces: content, refusal, and what else a provider sends as text."""
    tool_calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    logprobs: dict[str, list[Any]] = field(default_factory=dict)
    finish_reason: str | None = None


@dataclass(slots=True)
class Assembly:
    """The answer that the chunks so far make up."""

    head: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    choices: dict[int, _Choice] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Every choice that began has ended."""
        return bool(self.choices) and all(choice.finish_reason for choice in self.choices.values())

    def feed(self, chunk: dict[str, Any]) -> bool:
        """Take a chunk in; whether it said anything."""
        if not self.head:
            self.head = {name: chunk[name] for name in ("id", "created", "model") if name in chunk}
        for name in ("service_tier", "system_fingerprint"):
            if chunk.get(name) is not None:
                self.head[name] = chunk[name]
        if isinstance(chunk.get("usage"), dict):
            self.usage = chunk["usage"]
        said = [self._feed(item) for item in chunk.get("choices", ()) if isinstance(item, dict)]
        return any(said)

    def _feed(self, item: dict[str, Any]) -> bool:
        index = item.get("index")
        choice = self.choices.setdefault(index if isinstance(index, int) else 0, _Choice())
        if item.get("finish_reason"):
            choice.finish_reason = item["finish_reason"]
        logprobs = item.get("logprobs")
        for name, values in logprobs.items() if isinstance(logprobs, dict) else ():
            choice.logprobs.setdefault(name, []).extend(values if isinstance(values, list) else ())
        delta = item.get("delta")
        return _feed_delta(choice, delta) if isinstance(delta, dict) else False

    def answer(self) -> dict[str, Any]:
        """A `chat.completion` as it would have come without streaming."""
        body = {"object": "chat.completion", **self.head}
        body["choices"] = [_as_choice(index, choice) for index, choice in sorted(self.choices.items())]
        return body if self.usage is None else body | {"usage": self.usage}

    def text(self) -> str:
        """Everything that was said, for counting."""
        found = []
        for choice in self.choices.values():
            found += ["".join(parts) for parts in choice.texts.values()]
            found += [str(call["function"].get("arguments", "")) for call in choice.tool_calls.values()]
        return "\n".join(found)


def _feed_delta(choice: _Choice, delta: dict[str, Any]) -> bool:
    said = False
    for name, value in delta.items():
        if name == "tool_calls":
            for call in value if isinstance(value, list) else ():
                said = True
                _feed_call(choice, call)
        elif name == "role":
            choice.message["role"] = value
        elif isinstance(value, str):
            choice.texts.setdefault(name, []).append(value)
            said = said or bool(value)
        elif value is not None:
            choice.message[name] = value
    return said


def _feed_call(choice: _Choice, call: Any) -> None:
    if not isinstance(call, dict):
        return
    index = call.get("index")
    known = choice.tool_calls.setdefault(
        index if isinstance(index, int) else len(choice.tool_calls), {"type": "function", "function": {}}
    )
    for name in ("id", "type"):
        if call.get(name):
            known[name] = call[name]
    function = call.get("function")
    for name, value in function.items() if isinstance(function, dict) else ():
        before = known["function"].get(name)
        known["function"][name] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _as_choice(index: int, choice: _Choice) -> dict[str, Any]:
    message = choice.message | {name: "".join(parts) for name, parts in choice.texts.items()}
    if choice.tool_calls:
        message["tool_calls"] = [call for _, call in sorted(choice.tool_calls.items())]
        message["content"] = message["content"] or None
    return {
        "index": index,
        "message": message,
        "logprobs": choice.logprobs or None,
        "finish_reason": choice.finish_reason,
    }


def as_chunks(answer: dict[str, Any], *, with_usage: bool) -> list[bytes]:
    """A whole answer as the events of a stream, `[DONE]` included."""
    head = {name: value for name, value in answer.items() if name not in {"choices", "usage", "object"}}
    head["object"] = "chat.completion.chunk"
    events = []
    for choice in answer.get("choices", ()):
        message = dict(choice.get("message", {}))
        calls = [call | {"index": number} for number, call in enumerate(message.get("tool_calls") or ())]
        if calls:
            message["tool_calls"] = calls
        common = {"index": choice.get("index", 0)}
        events.append(
            head | {"choices": [common | {"delta": message, "logprobs": choice.get("logprobs"), "finish_reason": None}]}
        )
        events.append(
            head | {"choices": [common | {"delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}]}
        )
    if with_usage and answer.get("usage"):
        events.append(head | {"choices": [], "usage": answer["usage"]})
    return [*(b"data: " + orjson.dumps(event) + b"\n\n" for event in events), DONE]
