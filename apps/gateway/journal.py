"""The journal: every row of the gateway, committed in groups by one thread of the process.

`await journal.write(op)` returns after the commit. Whatever waits at the same moment shares one transaction.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

from apps.gateway.errors import GatewayError, server_error
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


class Journal:
    """Group commit over `flush`. Made in the event loop that uses it; `aclose` commits what waits."""

    def __init__(self) -> None:
        self.database = Database("gateway-journal")
        self._waiting: list[tuple[Op, asyncio.Future[Any]]] = []
        self._work = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run())

    async def open(self, op: Open) -> Grant:
        """Whether the request may go on; its row is committed either way. GatewayError 503 without a database."""
        return await self._write(op)

    async def close(self, op: Close) -> None:
        """The row's last state is committed."""
        await self._write(op)

    async def aclose(self) -> None:
        self._closing = True
        self._work.set()
        await self._task
        await self.database.aclose()

    async def _write(self, op: Op) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((op, future))
        self._work.set()
        return await asyncio.shield(future)  # a cancelled writer does not take back what it handed in

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            await self._work.wait()
            if len(self._waiting) > 1:
                await asyncio.sleep(min(GATHER_SECONDS, GATHER_EACH_SECONDS * len(self._waiting)))
            self._work.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[Op, asyncio.Future[Any]]]) -> None:
        results = await self._persistently([op for op, _ in batch])
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
                future.exception()  # a writer that was cancelled meanwhile never looks
            else:
                future.set_result(result)

    async def _persistently(self, ops: Sequence[Op], *, again: bool = False) -> list[Any]:
        """Flush; wait for a database that is away; find the one bad row by flushing one by one."""
        started = time.monotonic()
        while True:
            try:
                return await self.database.run(flush, ops, again)
            except AWAY:
                again = True
                left = [op for op in ops if time.monotonic() - started < _patience(op)]
                if len(left) < len(ops):
                    kept = iter(await self._persistently(left, again=True) if left else ())
                    return [next(kept) if op in left else _unavailable() for op in ops]
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - what a row breaks must reach its writer, not end the journal
                if len(ops) == 1:
                    logger.error("gateway journal refused op=%s error=%s", type(ops[0]).__name__, describe(error))
                    return [_unavailable()]
                return [(await self._persistently([op], again=again))[0] for op in ops]


def _patience(op: Op) -> float:
    return CLOSING_SECONDS if isinstance(op, Close) else PATIENCE_SECONDS


def _unavailable() -> GatewayError:
    return server_error(503, "not_recordable", "The gateway cannot record requests now. Try again later.")
