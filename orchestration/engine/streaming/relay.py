"""What models say while they say it, from a worker to whoever listens: rows, written a few times a second.

Nothing depends on it. The pieces of all calls of an event loop are written together, in the thread of the database and
in no transaction that anything waits for; what cannot be written is left out, and the listeners are told so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestration.components.text_paths import Path, texts_so_far
from orchestration.engine.queue.claim import Lease
from orchestration.engine.queue.database_thread import in_database
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import ServiceCallRecord
from orchestration.models.states import TERMINAL, Status
from orchestration.models.stream_chunks import StreamChunk
from orchestration.values.sanitize import UNSTORABLE

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.15
LONGEST_TOLD = 64_000
"""Characters of one answer; who listens to a longer one gets the rest at its end."""


class Request(NamedTuple):
    """Which request is answered; a later one is greater."""

    attempt: int
    repair: int


NONE = Request(0, 0)


@dataclass(slots=True, eq=False)
class Telling:
    """What one call says, as long as this worker has it."""

    lease: Lease
    steps: Path
    """Where the text is in the answer's JSON; empty when the answer is the text."""
    wake: asyncio.Event
    request: Request = NONE
    _heard: list[str] = field(default_factory=list)
    """All pieces of the answer where it is JSON, else those that are not stored."""
    _length: int = 0
    _told: list[str] = field(default_factory=list)
    """Of a structured answer: the texts that are stored."""
    _is_changed: bool = False
    _is_silent: bool = False
    """Pieces of this request were lost, so that no more are told."""
    _begun: bool = False
    """Something of this request is stored."""
    _ended: list[Request] = field(default_factory=list)
    """Requests whose pieces do not make an answer."""

    def begin(self, request: Request) -> None:
        """Another request: what was said before is not the answer."""
        self.discard()
        self.request, self._is_silent = request, False

    def hear(self, text: str) -> None:
        """A piece of the answer."""
        if self._length < LONGEST_TOLD and not self._is_silent:
            self._length += len(text)
            self._heard.append(text)
            self._is_changed = True
            self.wake.set()

    def discard(self) -> None:
        """What was said is not the answer."""
        if self._begun:
            self._ended.append(self.request)
            self.wake.set()
        self._heard, self._told, self._length = [], [], 0
        self._is_changed = self._begun = False

    def give_up(self) -> None:
        """A piece is lost, and what follows it would make no sense."""
        self._begun = True
        self.discard()
        self._is_silent = True

    def take(self) -> list[StreamChunk]:
        """The rows that are to be stored."""
        rows = [self._row(request, is_discarded=True) for request in self._ended]
        self._ended = []
        if self._is_changed:
            self._is_changed = False
            rows += [self._row(self.request, part=part, text=text) for part, text in self._news()]
            self._begun = self._begun or bool(rows)
        return rows

    def _row(self, request: Request, **columns: object) -> StreamChunk:
        return StreamChunk(call_id=self.lease.call_id, attempt=request.attempt, repair=request.repair, **columns)

    def _news(self) -> list[tuple[int, str]]:
        """(part, text) that was not taken before."""
        written = "".join(self._heard)
        if not self.steps:
            self._heard = []
            return [(0, UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", written))] if written else []
        self._heard = [written]
        texts, told = texts_so_far(written, self.steps), self._told
        if len(texts) < len(told) or any(not new.startswith(old) for new, old in zip(texts, told, strict=False)):
            return []  # a key came twice, or it is not JSON after all
        self._told = texts
        told = told + [""] * (len(texts) - len(told))
        pairs = enumerate(zip(texts, told, strict=True))
        return [(part, new[len(old) :]) for part, (new, old) in pairs if len(new) > len(old)]


class Relay:
    """Of one event loop; use as `async with Relay() as relay`."""

    def __init__(self) -> None:
        self._tellings: dict[Lease, Telling] = {}
        self._left: dict[Lease, list[StreamChunk]] = {}
        """Calls that this worker has done with, and what marks their pieces as no answer."""
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Relay:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._closing.set()
            self._wake.set()
            await self._task

    def begin(self, lease: Lease, steps: Path, request: Request) -> Telling:
        """What hears the answer to a request that is sent now."""
        telling = self._tellings.setdefault(lease, Telling(lease, steps, self._wake))
        telling.begin(request)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return telling

    def discard(self, lease: Lease) -> None:
        """What a call said is not its answer; nothing for a call that says nothing."""
        if lease in self._tellings:
            self._tellings[lease].discard()

    def end(self, lease: Lease) -> None:
        """This worker has done with a call; the pieces of one that has ended are deleted, together with others'."""
        telling = self._tellings.pop(lease, None)
        if telling is not None:
            telling.discard()
            self._left[lease] = telling.take()
            self._wake.set()

    async def _run(self) -> None:
        while self._wake.is_set() or not self._closing.is_set():
            await self._wake.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), FLUSH_SECONDS)
            self._wake.clear()
            await self._flush()

    async def _flush(self) -> None:
        left, self._left = self._left, {}
        rows = [(lease, row) for lease, marks in left.items() for row in marks]
        rows += [(lease, row) for lease, telling in self._tellings.items() for row in telling.take()]
        if (rows or left) and not await _tried(_store, rows, left.keys()):
            for lease in {lease for lease, _ in rows} & self._tellings.keys():
                self._tellings[lease].give_up()


async def _tried(function: object, *arguments: object) -> bool:
    """Whether it could be done; if not, listeners wait for the end of the call."""
    with isolated() as run:  # the pieces of other calls come after these
        await in_database(function, *arguments)  # type: ignore[arg-type]
    if run.error is not None:
        logger.warning("stream not relayed error=%s", describe(run.error))
    return run.error is None


def _store(rows: Sequence[tuple[Lease, StreamChunk]], left: Collection[Lease]) -> None:
    """Pieces of calls that are still this worker's. Of those that it has done with, what has ended is deleted, and what
    another attempt follows stays, marked as no answer."""
    calls = ServiceCallRecord.objects.filter(pk__in={lease.call_id for lease in (*left, *(lease for lease, _ in rows))})
    unended = calls.exclude(status__in=TERMINAL).values_list("pk", "lease_token", "status")
    held = {Lease(pk, token) for pk, token, status in unended if status == Status.RUNNING or Lease(pk, token) in left}
    StreamChunk.objects.bulk_create([row for lease, row in rows if lease in held])
    over = {lease.call_id for lease in left} - {pk for pk, _, _ in unended}
    if over:
        StreamChunk.objects.of_calls(over).delete()
