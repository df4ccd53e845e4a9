"""A thread with a database connection of its own, for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

from orchestration.engine.queue.database_thread import reconnecting

T = TypeVar("T")


class DatabaseThread:
    """One thread with its own connection; `await database.run(function, …)`."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run `function` in the thread. A connection that broke is closed, so that the next call opens a new one."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, reconnecting, function, *args)

    async def aclose(self) -> None:
        await self.run(disconnect)
        self._thread.shutdown(wait=False)


def disconnect() -> None:
    connection.close()  # looked up here, in the thread whose connection it is
