"""How asynchronous engine code reaches the database: through one thread per worker, which has one connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeGuard, TypeVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connection

from orchestration.log import describe, sqlstate_of

logger = logging.getLogger(__name__)
T = TypeVar("T")

DATABASE_AWAY = (OperationalError, InterfaceError)
"""What a lost connection, a restart, a full disk or a lock timeout raise: reasons to wait, not to fail."""
TOO_MUCH = "54"
"""The SQLSTATE class of a statement that exceeds a limit of PostgreSQL: waiting changes nothing about it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds between tries while the database is away


def is_away(error: BaseException | None) -> TypeGuard[OperationalError | InterfaceError]:
    """Whether the database could not be reached or used, so that the same statement may succeed later."""
    return isinstance(error, DATABASE_AWAY) and not sqlstate_of(error).startswith(TOO_MUCH)


_own: ContextVar[Executor | None] = ContextVar("database_thread", default=None)


@contextmanager
def database_thread(executor: Executor) -> Iterator[None]:
    """Within the block, `in_database` uses this executor, which has one thread. By itself it would find out where
    asgiref runs synchronous code here, and carry context variables back from there, which takes four times as long."""
    token = _own.set(executor)
    try:
        yield
    finally:
        _own.reset(token)


async def in_database(function: Callable[..., T], *args: object) -> T:
    """Run `function` where the database is. A lost connection is closed, so that the next call opens a new one."""
    executor = _own.get()
    if executor is None:
        return await sync_to_async(reconnecting, thread_sensitive=True)(function, *args)
    run = copy_context().run
    return await asyncio.get_running_loop().run_in_executor(executor, run, reconnecting, function, *args)


async def when_database_answers(function: Callable[..., T], *args: object) -> T:
    """`in_database` for reads that a running call cannot do without: waits while the database is away."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await in_database(function, *args)
        except DATABASE_AWAY as error:
            if not is_away(error):
                raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def reconnecting(function: Callable[..., T], *args: object) -> T:
    """Run `function`; a connection that is lost is closed, so that the next call in this thread opens a new one."""
    try:
        return function(*args)
    except DATABASE_AWAY as error:
        logger.warning("database away error=%s", describe(error))
        if not connection.in_atomic_block:
            connection.close()
        raise
