"""A thread's connection that the event loop drives where it can.

A thread has to be woken up for each transaction, and then fights with the event loop for the interpreter, which takes
longer than all that a transaction does. So on PostgreSQL the event loop itself sends the messages and waits for what
comes back. The thread opens and closes the connection, and does everything for which Django needs a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from apps.gateway.recording.batch_transaction import Transaction, prepared_connection, run_transaction_here
from apps.gateway.recording.database_thread import DatabaseThread, disconnect
from orchestration.engine.queue.database_thread import DATABASE_AWAY
from orchestration.models.prepared_sql import is_postgresql

T = TypeVar("T")


class EventLoopConnection:
    """Made in the event loop that uses it; `statements` are those of its transactions, by their names."""

    def __init__(self, name: str, statements: Mapping[str, str]) -> None:
        self._thread = DatabaseThread(name)
        self._statements = statements
        self._in_use = asyncio.Lock()
        """One at a time uses the connection: the thread, or the event loop."""
        self._raw: Any = None
        self._is_for_thread = not is_postgresql()
        """It cannot be driven from here."""

    async def transact(self, steps: Callable[[], Transaction[T]], in_thread: Callable[[], T]) -> T:
        """Run a transaction here, or what does the same in the thread; raises what the database raises."""
        async with self._in_use:
            if not self._is_for_thread and (self._raw is None or self._raw.closed):
                self._raw = await self._thread.run(prepared_connection, self._statements)
                self._is_for_thread = self._raw is None
            if self._is_for_thread:
                return await self._thread.run(in_thread)
            try:
                return await run_transaction_here(self._raw, steps())
            except DATABASE_AWAY:
                self._raw = None
                await self._thread.run(disconnect)
                raise

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run a function in the thread, on the same connection."""
        async with self._in_use:
            try:
                return await self._thread.run(function, *args)
            except DATABASE_AWAY:
                self._raw = None
                raise

    async def aclose(self) -> None:
        await self._thread.aclose()
