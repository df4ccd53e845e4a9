"""Guards against receivers of signals, which are anybody's code: one may not harm those that run after it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestration.conf import engine_settings
from orchestration.log import describe

logger = logging.getLogger(__name__)

OF_RECEIVERS = (SystemExit, GeneratorExit, asyncio.CancelledError)
"""What a receiver may raise in the main thread by itself. Ctrl-C, and django-q's timeout, come from a signal handler
and are meant for the whole process."""


class ReceiverEnded(Exception):
    """A receiver raised what would have ended its thread, and with it whatever else the thread is for."""


class Abandoned(Exception):
    """Rolls back a transaction that a receiver left open."""


def guarded(receiver: Callable[..., Any]) -> Callable[..., Any]:
    """The receiver, ending with an Exception at most and with no transaction of its own; named when it is slow."""

    @wraps(receiver)
    def in_turn(**named: Any) -> Any:
        with _timed(receiver), nothing_left_open(name_of(receiver)), _contained():
            return receiver(**named)

    return in_turn


def guarded_async(receiver: Callable[..., Any]) -> Callable[..., Any]:
    """The same for an asynchronous receiver, whose queries, and transactions, are the calling thread's."""

    @wraps(receiver)
    async def asynchronous(**named: Any) -> Any:
        with _timed(receiver), _contained():
            return await receiver(**named)

    return asynchronous


def reason_of(error: Exception) -> str:
    """What a receiver raised, for the log."""
    cause = error.__cause__
    return describe(cause if isinstance(error, ReceiverEnded) and cause is not None else error)


def name_of(receiver: Any) -> str:
    named = receiver if hasattr(receiver, "__qualname__") else type(receiver)
    return f"{named.__module__}.{named.__qualname__}"


@contextmanager
def nothing_left_open(whose: str) -> Iterator[None]:
    """Roll back the transactions that are opened inside, in this thread, and not ended."""
    before = {connection.alias: _state(connection) for connection in connections.all(initialized_only=True)}
    try:
        yield
    finally:
        for connection in connections.all(initialized_only=True):
            if _put_back(connection, *before.get(connection.alias, (0, False))):
                logger.error("signal receiver left a transaction open receiver=%s database=%s", whose, connection.alias)
            if connection.errors_occurred and not connection.in_atomic_block:  # it may be lost
                connection.close_if_unusable_or_obsolete()


def _state(connection: BaseDatabaseWrapper) -> tuple[int, bool]:
    """How many `atomic` blocks are open, and whether a transaction is, however it was begun."""
    return len(connection.atomic_blocks), _in_transaction(connection)


def _in_transaction(connection: BaseDatabaseWrapper) -> bool:
    driver = connection.connection
    if driver is None:
        return False
    if connection.in_atomic_block or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]:
        return True
    try:
        with connection.wrap_database_errors:
            if connection.vendor == "sqlite":
                return bool(driver.in_transaction)
            return bool(driver.info.transaction_status) if connection.vendor == "postgresql" else False
    except Error:  # somebody closed it behind Django's back
        return True


def _put_back(connection: BaseDatabaseWrapper, blocks: int, open_before: bool) -> bool:
    """Whether anything had to be rolled back."""
    left_open = len(connection.atomic_blocks) > blocks
    while len(connection.atomic_blocks) > blocks:
        connection.atomic_blocks[-1].__exit__(Abandoned, Abandoned(), None)
    if not open_before and _in_transaction(connection):  # begun without `atomic`
        left_open = True
        _close(connection)
    return left_open


def _close(connection: BaseDatabaseWrapper) -> None:
    """What was not committed is undone; the next query opens a new connection."""
    try:
        connection.close()
    except Error as error:
        logger.warning("connection not closed database=%s error=%s", connection.alias, describe(error))


@contextmanager
def _timed(receiver: Callable[..., Any]) -> Iterator[None]:
    """A warning when it takes longer than SLOW_RECEIVER_SECONDS: those after it wait for it."""
    started = time.monotonic()
    try:
        yield
    finally:
        seconds = time.monotonic() - started
        if seconds > engine_settings().SLOW_RECEIVER_SECONDS:
            logger.warning("signal receiver slow receiver=%s seconds=%.2f", name_of(receiver), seconds)


@contextmanager
def _contained() -> Iterator[None]:
    """Turns what would end more than the receiver into an Exception."""
    try:
        yield
    except BaseException as error:  # `sys.exit()`, say: it would end the thread and whatever else runs in it
        for_the_process = threading.current_thread() is threading.main_thread() and type(error) not in OF_RECEIVERS
        if isinstance(error, Exception) or for_the_process:
            raise
        raise ReceiverEnded from error
