"""Who listens to a call from its first piece on, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.streaming import relay
from orchestration.engine.streaming.listening import Listener, StreamEvent
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain

WORDS = "one two three four five six seven eight nine ten"
LINES = {"mood": "ä", "lines": [{"text": 'Say "no",\nor \\ 😀'}, {"text": "Then go."}], "rating": 3}


class Ear:
    """Listens from the first piece on, after each one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[StreamEvent] = []
        self._listener: Listener | None = None
        self.store = relay._store
        self.meanwhile: list[Callable[[str], object]] = []
        """What happens once the first piece was heard, with the id of the call."""
        monkeypatch.setattr(relay, "_store", self.stored)

    def stored(self, rows: Any, left: Any) -> None:
        self.store(rows, left)
        [call_id, *_] = [lease.call_id for lease in (*(lease for lease, _ in rows), *left)]
        self.listen(call_id)
        while self.events and self.meanwhile:
            self.meanwhile.pop()(call_id)

    def listen(self, call_id: str) -> None:
        self._listener = self._listener or Listener(call_id)
        after = self.events[-1].sequence if self.events else 0
        self.events += self._listener.news(after)[0]

    @property
    def kinds(self) -> list[str]:
        """Without repetitions."""
        kinds = [event.kind for event in self.events]
        return [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]

    @property
    def shown(self) -> list[str]:
        """What a page would show at the end, by parts."""
        parts: dict[int, str] = {}
        for event in self.events:
            if event.kind == "discarded":
                parts = {}
            else:
                parts[event.data["part"]] = parts.get(event.data["part"], "") + event.data["text"]
        return [text for _, text in sorted(parts.items())]

    def heard(self, *texts: str) -> bool:
        """Whether the beginning of these was told, and nothing else; what comes last may come with the end."""
        pairs = zip(self.shown, texts, strict=False)
        return 0 < len(self.shown) <= len(texts) and all(text.startswith(told) for told, text in pairs)


def run(service: Any, *faults: Fault, pace_ms: int = 15, **fields: Any) -> ServiceCallRecord:
    with scripted(*faults, pace_ms=pace_ms):
        call = submit(CallSpec(**{"service": service, "context": {"ticket": "it burns"}, **fields}))
        drain(scheduled=True)
    return ServiceCallRecord.objects.get(pk=call.pk)
