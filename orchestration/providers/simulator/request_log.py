"""The request log of the simulated provider: every request and how it ended."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import orjson

from orchestration.providers.dialect import ReceivedContent
from orchestration.types import JsonObject

Ending = Literal["open", "answered", "client_left", "broken_off"]
"""`answered`: the whole answer was written. `client_left`: the client closed first. `broken_off`: by script."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request."""

    id: str
    """Also part of the response's id."""
    time: float
    """Unix time of its arrival."""
    path: str
    model: str
    digest: str
    """16 hex digits of the messages: the same prompt has the same digest."""
    correlation: str
    """What the client sent as `X-Client-Request-Id`."""
    fault: str
    """Kind of the script's entry; `ok` without one."""
    status: int
    """The HTTP status of the answer; 0 when no answer is to arrive."""
    credential: str = ""
    """The name of the header that held a key or a token; empty without one."""
    input_tokens: int = 0
    output_tokens: int = 0
    """What its answer says was used, be it that the answer did not arrive; 0 where there is none."""
    content: list[ReceivedContent] = field(default_factory=list)
    """Images, audio and files that came: their sizes and digests."""
    outcome: Ending = "open"
    ended: float | None = None


class RequestLog:
    """In memory, and in a file of JSON lines when one is given: a line on arrival, the same id again at the end.

    Each line is flushed at once, so the file is complete when the process dies.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self._boot = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._file = None if path is None else path.open("ab")

    def next_id(self) -> str:
        return f"sim{self._boot}{next(self._numbers):08d}"

    def opened(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._write(entry)

    def ended(self, entry: Entry, outcome: Ending) -> None:
        """The first ending counts."""
        if entry.outcome == "open":
            entry.outcome, entry.ended = outcome, time.time()
            self._write(entry)

    def as_json(self) -> list[JsonObject]:
        """Every request in the order of arrival."""
        return [asdict(entry) for entry in list(self.entries)]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, entry: Entry) -> None:
        if self._file is not None:
            with self._lock:
                self._file.write(orjson.dumps(entry) + b"\n")
                self._file.flush()
