"""Group commit: whatever waits to be written at the same moment shares one transaction.

The engine's writes of running calls and the gateway's records of requests are committed this way. They differ in what
a batch does and in how long a writer waits for a database that is away, so each says that in a subclass.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

OpT = TypeVar("OpT")


@dataclass(slots=True, eq=False)
class PendingWrite(Generic[OpT]):
    """One write, until its writer knows what became of it."""

    op: OpT
    done: asyncio.Future[Any]
    since: float = field(default_factory=time.monotonic)
    tried: bool = False
    """It was sent to the database before, and may have been committed although the connection broke."""

    def finish(self, result: Any) -> None:
        """Tell the writer, unless it was cancelled meanwhile."""
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # a writer that is cancelled now never asks for it


class WriteBatcher(ABC, Generic[OpT]):
    """Collects writes and hands them to `_commit` in batches, one batch at a time."""

    def __init__(self) -> None:
        self._waiting: list[PendingWrite[OpT]] = []
        self._work = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to commit, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def finish(self) -> None:
        """Commit what waits, and end."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            await self._task

    def enqueue(self, op: OpT) -> asyncio.Future[Any]:
        """What `_commit` will give for this write, once it is committed. Cancelling it does not withdraw the write."""
        pending = PendingWrite(op, asyncio.get_running_loop().create_future())
        self._waiting.append(pending)
        self._work.set()
        return pending.done

    async def write(self, op: OpT) -> Any:
        """`enqueue`, and wait for it."""
        return await self.enqueue(op)

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            await self._work.wait()
            pause = self._gather_seconds(len(self._waiting))
            if pause and not self._closing:
                await asyncio.sleep(pause)
            self._work.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._commit(batch)

    def _retry(self, batch: list[PendingWrite[OpT]]) -> None:
        """Put writes back in front of those that came meanwhile, to be committed together."""
        self._waiting[:0] = batch
        if self._waiting:
            self._work.set()

    @abstractmethod
    def _gather_seconds(self, waiting: int) -> float:
        """How long to let more writes arrive when so many wait."""

    @abstractmethod
    async def _commit(self, batch: list[PendingWrite[OpT]]) -> None:
        """Commit a batch and tell every writer, or put it back with `_retry`. Never raises."""
