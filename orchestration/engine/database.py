"""How asynchronous engine code reaches the database: one thread per pump, so one connection, never the loop's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connection

from orchestration.log import describe

logger = logging.getLogger(__name__)
T = TypeVar("T")

DATABASE_AWAY = (OperationalError, InterfaceError)
"""What a lost connection, a restart, a full disk or a lock timeout raise: reasons to wait, not to fail."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds between tries while the database is away


async def in_database(function: Callable[..., T], *args: object) -> T:
    """Run `function` where the database is. A lost connection is closed, so that the next call opens a new one."""
    return await sync_to_async(_run, thread_sensitive=True)(function, *args)


async def when_database_answers(function: Callable[..., T], *args: object) -> T:
    """`in_database` for reads that a running call cannot do without: waits while the database is away."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await in_database(function, *args)
        except DATABASE_AWAY:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def _run(function: Callable[..., T], *args: object) -> T:
    try:
        return function(*args)
    except DATABASE_AWAY as error:
        logger.warning("database away error=%s", describe(error))
        if not connection.in_atomic_block:
            connection.close()
        raise
