"""The journal: every row of the gateway, committed in groups by one thread of the process.

`await journal.write(op)` returns after the commit. Whatever waits at the same moment shares one transaction.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

from apps.gateway.errors import server_error
from apps.gateway.ledger import Close, Grant, Open, flush
from orchestration.log import describe

logger = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError)
PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 5.0
"""How long a request waits for a database that is away, before it is refused: what cannot be recorded is not done."""
CLOSING_SECONDS = 60.0
"""How long the end of a request waits; after that its row is left to the sweep."""
GATHER_SECONDS = 0.004
GATHER_EACH_SECONDS = 0.0005
"""For each that waits, up to GATHER_SECONDS: many at once share a transaction, one alone waits for nobody."""
Op = Open | Close
T = TypeVar("T")


class Database:
    """One thread with its own connection; `await database.run(function, …)`."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run `function` in the thread. A connection that broke is closed, so that the next call opens a new one."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _guarded, function, *args)

    async def aclose(self) -> None:
        await self.run(_disconnect)
        self._thread.shutdown(wait=False)


def _disconnect() -> None:
    connection.close()


def _guarded(function: Callable[..., T], *args: object) -> T:
    try:
        return function(*args)
    except AWAY as error:
        logger.warning("gateway database away error=%s", describe(error))
        if not connection.in_atomic_block:
            connection.close()
        raise


@dataclass(slots=True, eq=False)
class Waiting:
    """What somebody handed in, and waits for."""

    op: Op
    done: asyncio.Future[Any]
    since: float
    tried: bool = False
    """It was written before, and perhaps committed, when the connection broke."""

    def refuse(self) -> None:
        self.done.set_exception(
            server_error(503, "not_recordable", "The gateway cannot record requests now. Try again later.")
        )
        self.done.exception()  # a writer that was cancelled meanwhile never looks

    @property
    def is_late(self) -> bool:
        patience = CLOSING_SECONDS if isinstance(self.op, Close) else PATIENCE_SECONDS
        return time.monotonic() - self.since >= patience


class Journal:
    """Group commit over `flush`. Made in the event loop that uses it; `aclose` commits what waits."""

    def __init__(self) -> None:
        self.database = Database("gateway-journal")
        self._waiting: list[Waiting] = []
        self._work = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run())

    async def open(self, op: Open) -> Grant:
        """Whether the request may go on; its row is committed either way. GatewayError 503 without a database."""
        grant: Grant = await self._write(op)
        return grant

    async def close(self, op: Close) -> None:
        """The row's last state is committed."""
        await self._write(op)

    async def aclose(self) -> None:
        self._closing = True
        self._work.set()
        await self._task
        await self.database.aclose()

    async def _write(self, op: Op) -> Any:
        waiting = Waiting(op, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(waiting)
        self._work.set()
        return await asyncio.shield(waiting.done)  # a cancelled writer does not take back what it handed in

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            await self._work.wait()
            if len(self._waiting) > 1:
                await asyncio.sleep(min(GATHER_SECONDS, GATHER_EACH_SECONDS * len(self._waiting)))
            self._work.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[Waiting]) -> None:
        """Flush; a database that is away is waited for, and the one bad row found by flushing one by one."""
        try:
            results = await self.database.run(flush, [each.op for each in batch], any(each.tried for each in batch))
        except AWAY:
            self._take_back(batch)
            await asyncio.sleep(PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - what a row breaks must reach its writer, not end the journal
            if len(batch) == 1:
                logger.error("gateway journal refused op=%s error=%s", type(batch[0].op).__name__, describe(error))
                batch[0].refuse()
                return
            for each in batch:
                await self._commit([each])
        else:
            for each, result in zip(batch, results, strict=True):
                each.done.set_result(result)

    def _take_back(self, batch: list[Waiting]) -> None:
        """Try again with what came meanwhile; whoever waited too long is told."""
        for each in batch:
            each.tried = True
            if each.is_late:
                each.refuse()
        self._waiting[:0] = [each for each in batch if not each.done.done()]
        if self._waiting:
            self._work.set()
