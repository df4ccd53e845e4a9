"""One answer from the chunks of a stream of Chat Completions, or of Completions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestration.providers.streams.folding import Folded
from orchestration.providers.wire import as_objects

HEAD = ("id", "created", "model")
"""What names an answer; every chunk repeats it."""
OF_A_CHUNK = frozenset({*HEAD, "object", "choices", "usage", "error", "obfuscation"})
"""Fields of a chunk that are not fields of the whole answer, or are assembled in another way."""
OF_A_CHOICE = frozenset({"index", "delta", "message", "text", "logprobs", "finish_reason", "usage"})
TEXT_COMPLETION = "text_completion"
"""The object of `/completions`: its choices have a text in place of a message."""


@dataclass(slots=True)
class _Choice:
    folded: Folded = field(default_factory=Folded)
    logprobs: dict[str, Any] = field(default_factory=dict)
    finish_reason: Any = None
    others: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Assembly:
    """The answer assembled from the chunks so far."""

    head: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    """Fields of the whole answer besides its head: the tier, citations, and what else a provider sends."""
    usage: dict[str, Any] | None = None
    choices: dict[int, _Choice] = field(default_factory=dict)
    _certain: bool = True
    is_text: bool = False
    """It is one of `/completions`."""

    @property
    def begun(self) -> bool:
        return bool(self.choices)

    @property
    def chunk_object(self) -> str:
        return TEXT_COMPLETION if self.is_text else "chat.completion.chunk"

    @property
    def finished(self) -> bool:
        """Every choice that began has ended."""
        return bool(self.choices) and all(choice.finish_reason for choice in self.choices.values())

    @property
    def certain(self) -> bool:
        """Whether the answer is beyond doubt what its provider would have sent as a whole."""
        return self._certain and all(choice.folded.certain for choice in self.choices.values())

    def feed(self, chunk: dict[str, Any]) -> bool:
        """Add a chunk; returns whether it contained anything that was said."""
        if not self.head:
            self.head = {name: chunk[name] for name in HEAD if name in chunk}
        self._update(self.others, {name: value for name, value in chunk.items() if name not in OF_A_CHUNK})
        usage = find_usage(chunk)
        if usage is not None:  # some servers report each side in a chunk of its own
            self.usage = (self.usage or {}) | {name: value for name, value in usage.items() if value is not None}
        self.is_text = self.is_text or chunk.get("object") == TEXT_COMPLETION
        said = [self._feed(item) for item in as_objects(chunk.get("choices"))]
        return any(said)

    def _feed(self, item: dict[str, Any]) -> bool:
        index = item.get("index")
        choice = self.choices.setdefault(index if isinstance(index, int) else 0, _Choice())
        choice.finish_reason = item.get("finish_reason") or choice.finish_reason
        logprobs = item.get("logprobs")
        for name, values in logprobs.items() if isinstance(logprobs, dict) else ():
            before = choice.logprobs.get(name)
            if isinstance(before, list) and isinstance(values, list):
                before.extend(values)
            elif values is not None or before is None:
                choice.logprobs[name] = [*values] if isinstance(values, list) else values
        self._update(choice.others, {name: value for name, value in item.items() if name not in OF_A_CHOICE})
        delta = item.get("delta", item.get("message"))
        if isinstance(item.get("text"), str) and delta is None:
            self.is_text, delta = True, {"text": item["text"]}
        if not isinstance(delta, dict):
            return False
        choice.folded.feed(delta)
        return any(value for name, value in delta.items() if name != "role")

    def _update(self, known: dict[str, Any], given: dict[str, Any]) -> None:
        """Fields beside the deltas are whole: the latest value counts, unless lists bring more each time."""
        for name, value in given.items():
            before = known.get(name)
            if isinstance(value, dict) and isinstance(before, dict):
                self._update(before, value)
            elif isinstance(value, list) and isinstance(before, list) and value[: len(before)] != before:
                numbers = all(isinstance(each, int | float) for each in value)
                self._certain = self._certain and numbers
                known[name] = before + value
            elif isinstance(value, list) and isinstance(before, list) and _are_numbers(before):
                known[name] = before + value
            elif value is not None or name not in known:
                known[name] = dict(value) if isinstance(value, dict) else value

    def answer(self) -> dict[str, Any]:
        """A `chat.completion` as it would have come without streaming."""
        body = {"object": TEXT_COMPLETION if self.is_text else "chat.completion", **self.head, **self.others}
        shape = _as_text if self.is_text else _as_choice
        body["choices"] = [shape(index, choice) for index, choice in sorted(self.choices.items())]
        return body if self.usage is None else body | {"usage": self.usage}


def _are_numbers(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(each, int | float) for each in values)


def _as_choice(index: int, choice: _Choice) -> dict[str, Any]:
    message = {"role": "assistant", "content": None} | choice.folded.value()
    if isinstance(message.get("tool_calls"), list):
        message["tool_calls"] = _whole_calls(message["tool_calls"])
        message["content"] = message["content"] or None
    found = {"index": index, "message": message, "logprobs": choice.logprobs or None}
    found |= {"finish_reason": choice.finish_reason} | choice.others
    return found | {"unfolded": choice.folded.unfolded} if choice.folded.unfolded else found


def _as_text(index: int, choice: _Choice) -> dict[str, Any]:
    found = {"text": ""} | choice.folded.value() | {"index": index, "logprobs": choice.logprobs or None}
    return found | {"finish_reason": choice.finish_reason} | choice.others


def _whole_calls(calls: list[Any]) -> list[Any]:
    """In the order of their indexes, which whole answers do not have."""
    placed = [call if isinstance(call, dict) else {"value": call} for call in calls]
    placed.sort(key=lambda call: call["index"] if isinstance(call.get("index"), int) else len(placed))
    kinds = [{"type": "custom" if "custom" in call else "function"} for call in placed]
    return [
        kind | {name: value for name, value in call.items() if name != "index"}
        for kind, call in zip(kinds, placed, strict=True)
    ]


def find_usage(answer: dict[str, Any]) -> dict[str, Any] | None:
    """The usage in an answer or a chunk of a stream; some servers put it into a choice or under `x_groq`."""
    choices = answer.get("choices")
    places = [answer, answer.get("x_groq"), *(choices if isinstance(choices, list) else ())]
    found = (place.get("usage") for place in places if isinstance(place, dict))
    return next((usage for usage in found if isinstance(usage, dict)), None)
