"""What comes of a stream: its events are put together as they come, and the text in them is told to whoever listens."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from orchestration.errors import ProviderError
from orchestration.providers.response_bodies import read_body
from orchestration.providers.streams.event_reader import DONE, EventReader, event_data
from orchestration.types import JsonObject
from orchestration.values.json_bodies import write_json

Heard = Callable[[str], object]
"""Is told each piece of an answer's text, in whole characters, as it comes. It must not raise."""
PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
LONE = re.compile("[\ud800-\udfff]")
HIGH = re.compile("[\ud800-\udbff]\\Z")


class Assembly(Protocol):
    """Puts the events of one stream together to what the provider would have answered without one."""

    usage: JsonObject | None
    """What it counted so far; None before it said anything."""

    @property
    def finished(self) -> bool:
        """Whether the answer is whole."""
        ...

    def feed(self, event: JsonObject, /) -> object:
        """Add an event, whatever is in it."""

    def answer(self) -> JsonObject:
        """The answer, or as much as came of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How one API streams."""

    to_request: Callable[[JsonObject], JsonObject]
    """The body of a request, for an answer that comes as a stream."""
    assembly: Callable[[], Assembly]
    text_of: Callable[[JsonObject], str]
    """The text that an event adds to that of the answer; empty for any other event."""


class StreamReading(list[bytes]):
    """The parts of a body, read as a stream while they are appended. Reading never raises: what was wrong is noted."""

    def __init__(self, streaming: Streaming, heard: Heard) -> None:
        super().__init__()
        self._streaming, self._heard = streaming, heard
        self.first_at = 0.0
        """When the first part came, by `time.perf_counter`."""
        self._begin()

    def _begin(self) -> None:
        self.assembly = self._streaming.assembly()
        self.has_events = False
        """It is a stream, and not an answer that came at once."""
        self.error: Any = None
        """What the provider reported in the stream."""
        self.is_unreadable = False
        """An event was not a JSON object."""
        self._done = False
        self._reader = EventReader()
        self._half = ""

    @property
    def is_whole(self) -> bool:
        return self.assembly.finished and not self.error and not self.is_unreadable

    @property
    def is_settled(self) -> bool:
        """Whether nothing is missing, so that it does not matter how the connection ends."""
        return self.is_whole and (self._done or bool(self.assembly.usage))

    def append(self, part: bytes) -> None:
        super().append(part)
        self.first_at = self.first_at or time.perf_counter()
        try:
            events = self._reader.feed(part)
        except ProviderError:  # too long
            self.is_unreadable = True
            return
        for event in events:
            self._take(event)

    def replace(self, body: bytes) -> None:
        """Read this, what the parts were only another form of."""
        self.clear()
        self._begin()
        self.append(body)

    def end(self) -> None:
        """Nothing more comes."""
        for event in self._reader.end():
            self._take(event)

    def tell_all(self, text: str) -> None:
        """The text of an answer that came at once after all."""
        if text and not self.has_events:
            self._heard(text)

    def body(self) -> bytes:
        """As JSON, what it amounts to so far; the body as it came, where that is not a stream."""
        return write_json(self.assembly.answer()) if self.has_events else b"".join(self)

    def _take(self, event: bytes) -> None:
        data = event_data(event)
        if not data or self._done or self.error or self.is_unreadable:
            return
        self._done = data == DONE
        if self._done:
            return
        self.has_events = True
        value = _object(data)
        if value is None:
            self.is_unreadable = True
            return
        self.error = _error_in(value)
        if not self.error:
            self.assembly.feed(value)
            self._tell(self._streaming.text_of(value))

    def _tell(self, text: str) -> None:
        """Halves of a character that came in two events are joined."""
        if self._half or not text.isascii():
            text = PAIR.sub(_joined, self._half + text)
            half = HIGH.search(text)
            self._half = half[0] if half else ""
            text = LONE.sub("\N{REPLACEMENT CHARACTER}", text[:-1] if half else text)
        if text:
            self._heard(text)


def _object(data: bytes) -> JsonObject | None:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = read_body(data)
        value = body.value if body.is_json else None
    return value if isinstance(value, dict) else None


def _error_in(event: JsonObject) -> Any:
    if event.get("error"):
        return event["error"]
    return event if "error" in (event.get("type"), event.get("object")) else None


def _joined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")
