"""One listener for each streamed call, who compares at its end what it was told with what is stored.

The simulated model says the same to the same prompt, so what was heard since the last mark (`discarded`) must be the
beginning of the stored text, whoever was killed meanwhile. Now and then a listener goes away and comes back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, connections

from orchestration.engine.streaming.listening import Listener, StreamEvent, last_words

LOOK_SECONDS = 0.2
STAYS_FOR = 2
"""Times that it is told something, after which a listener comes back with the number of the last event that it has."""


@dataclass(slots=True)
class Heard:
    """What one listener knows."""

    listener: Listener
    after: int = 0
    text: str = ""
    told: int = 0
    marks: int = 0

    def take(self, events: Iterable[StreamEvent]) -> None:
        for event in events:
            self.after = event.sequence
            if event.kind == "discarded":
                self.text, self.marks = "", self.marks + 1
            else:
                self.text += event.data["text"]


@dataclass(eq=False)
class Audience(threading.Thread):
    """Listens to the calls that `streamed` gives, as soon as they are there."""

    streamed: Callable[[], list[str]]
    misheard: list[str] = field(default_factory=list)
    _listening: dict[str, Heard] = field(default_factory=dict)
    _ended: dict[str, Heard] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(name="audience", daemon=True)
        self._stopped = threading.Event()

    @property
    def listens(self) -> bool:
        """Somebody has not heard the end."""
        return len(self._ended) < len(self.streamed())

    def stop(self) -> None:
        self._stopped.set()
        self.join(10.0)

    def report(self) -> dict[str, int]:
        """How many ends were heard, of calls of which something was heard before, and how many marks."""
        ended = list(self._ended.values())
        marks = sum(one.marks for one in ended)
        return {"ends": len(ended), "spoke_before": sum(bool(one.told) for one in ended), "marks": marks}

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.look()
            except Error:  # the database is struck, too
                connections.close_all()
        connections.close_all()

    def look(self) -> None:
        """Ask once for each call that has not ended."""
        for call_id in self.streamed():
            if call_id not in self._ended:
                self._look_at(call_id)

    def _look_at(self, call_id: str) -> None:
        heard = self._listening.setdefault(call_id, Heard(Listener(call_id)))
        if heard.told and heard.told % STAYS_FOR == 0:
            heard.listener = Listener(call_id)
        events, is_over = heard.listener.news(heard.after)
        heard.take(events)
        heard.told += bool(events)
        if is_over:
            if not _is_true(heard.text, last_words(call_id)):
                self.misheard.append(call_id)
            self._ended[call_id] = heard


def _is_true(heard: str, end: dict[str, Any]) -> bool:
    return end["status"] != "succeeded" or (len(end["parts"]) == 1 and end["parts"][0].startswith(heard))
