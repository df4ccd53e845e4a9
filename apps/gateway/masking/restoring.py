"""Placeholders back into what they stand for: in a whole answer, and in a stream, wherever its chunks are cut."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class Restorer:
    """Knows the placeholders of one request."""

    def __init__(self, placeholders: Mapping[str, str]) -> None:
        self._values = dict(placeholders)
        self._beginnings = frozenset(
            placeholder[:length] for placeholder in self._values for length in range(1, len(placeholder))
        )
        pattern = "|".join(map(re.escape, self._values)) or r"(?!)"
        self._pattern = re.compile(pattern)
        self._raw_values = {name.encode(): value.encode() for name, value in self._values.items()}
        self._raw_pattern = re.compile(pattern.encode())

    def __bool__(self) -> bool:
        """Whether anything was masked."""
        return bool(self._values)

    def text(self, text: str) -> str:
        """A whole text with every placeholder replaced."""
        return self._pattern.sub(lambda match: self._values[match[0]], text)

    def raw(self, answer: bytes) -> bytes:
        """A whole answer's bytes; what is put in needs no escaping in JSON."""
        return self._raw_pattern.sub(lambda match: self._raw_values[match[0]], answer)

    def split(self, text: str) -> tuple[str, str]:
        """The restored text that may be shown, and the end that may be the beginning of a placeholder."""
        opening = text.rfind("[")
        if opening < 0 or text[opening:] not in self._beginnings:
            return self.text(text), ""
        return self.text(text[:opening]), text[opening:]


class StreamRestorer:
    """Restores the chunks of one stream. A placeholder that comes in pieces is held back until it is whole."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._held: dict[tuple[int, ...], dict[str, str]] = {}
        """By choice, or by choice and tool call: the end of each text so far."""

    def feed(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The chunk as the client may see it. The end of a choice brings what was held back."""
        for choice in chunk.get("choices") or ():
            if isinstance(choice, dict):
                self._feed_choice(choice)
        return chunk

    def rest(self) -> list[dict[str, Any]]:
        """The choices' deltas with what is held back still, for a stream that broke off; nothing is held afterwards."""
        deltas: dict[int, dict[str, Any]] = {}
        for index in sorted({place[0] for place in self._held}):
            delta: dict[str, Any] = {}
            self._release(index, delta)
            deltas[index] = delta
        return [{"index": index, "delta": delta, "finish_reason": None} for index, delta in deltas.items() if delta]

    def _feed_choice(self, choice: dict[str, Any]) -> None:
        index = choice["index"] if isinstance(choice.get("index"), int) else 0
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._feed_texts((index,), delta, skip=("role",))
            for place, call in enumerate(delta.get("tool_calls") or ()):
                if isinstance(call, dict) and isinstance(call.get("function"), dict):
                    number = call["index"] if isinstance(call.get("index"), int) else place
                    self._feed_texts((index, number), call["function"])
        if choice.get("finish_reason") is not None:
            choice["delta"] = delta = delta if isinstance(delta, dict) else {}
            self._release(index, delta)

    def _feed_texts(self, place: tuple[int, ...], texts: dict[str, Any], skip: tuple[str, ...] = ()) -> None:
        held = self._held.setdefault(place, {})
        for name, text in texts.items():
            if isinstance(text, str) and name not in skip:
                texts[name], held[name] = self._restorer.split(held.pop(name, "") + text)

    def _release(self, index: int, delta: dict[str, Any]) -> None:
        for place in [place for place in self._held if place[0] == index]:
            texts = {name: text for name, text in self._held.pop(place).items() if text}
            if len(place) == 1:
                for name, text in texts.items():
                    delta[name] = (delta.get(name) or "") + text
            elif texts:
                self._release_call(place[1], texts, delta)

    def _release_call(self, number: int, texts: dict[str, str], delta: dict[str, Any]) -> None:
        calls = delta["tool_calls"] = list(delta.get("tool_calls") or ())
        for call in calls:
            if call.get("index") == number and isinstance(call.get("function"), dict):
                for name, text in texts.items():
                    call["function"][name] = (call["function"].get(name) or "") + text
                return
        calls.append({"index": number, "function": texts})
