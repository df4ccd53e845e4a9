"""Notifications that there is work, so that who waits for it need not poll ten times a second.

PostgreSQL carries one to all machines, by NOTIFY. On SQLite, and behind a pooler in transaction mode, where no session
can LISTEN, every listener has a named pipe in RUN_DIR, which is found by the processes of its machine. A notification
says no more than "look": one that is lost costs the time until the listener's next poll.
"""

from __future__ import annotations

import errno
import logging
import os
import select
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import uuid_utils.compat
from django.db import connection, transaction

from orchestration.conf import engine_settings
from orchestration.isolation import isolated
from orchestration.log import describe

logger = logging.getLogger(__name__)

CALLS = "calls"
"""Calls are due: for worker loops that have room."""
TASKS = "tasks"
"""A task is on the broker: for clusters that wait for one."""
FOLDER = "listeners"
"""In RUN_DIR."""
ENOUGH = 65536
"""Bytes in a pipe, one for each notification."""


def notify(topic: str) -> None:
    """Tell all listeners of a topic, after the commit; never raises.

    In a transaction of its own: until its commit is on disk, a transaction that notifies keeps all others that do from
    committing. One that does nothing else does not wait for the disk.
    """
    transaction.on_commit(partial(_notify, topic))


def _notify(topic: str) -> None:
    with isolated() as notifying:  # the broker's message, or the next look, will do
        if _can_listen():
            with connection.cursor() as cursor:
                cursor.execute(f"NOTIFY {_channel(topic)}")
        else:
            _notify_pipes(topic)
    if notifying.error is not None:
        logger.warning("notification lost topic=%s error=%s", topic, describe(notifying.error))


class Listener(ABC):
    """Gets notifications from when it is made until it is closed. Readable (`fileno`) after one, until `clear`."""

    @abstractmethod
    def fileno(self) -> int: ...

    @abstractmethod
    def clear(self) -> None:
        """Forget those so far; OSError or psycopg's OperationalError when no more can come."""

    @abstractmethod
    def close(self) -> None: ...

    def wait(self, seconds: float) -> None:
        """Until a notification, at most so long; raises like `clear`."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        if poll.poll(seconds * 1000):
            self.clear()


def listen(topic: str) -> Listener | None:
    """A listener; None, which is logged, when there can be none now."""
    with isolated() as opening:
        return _Session(topic) if _can_listen() else _Pipe(topic)
    if opening.error is not None:
        logger.warning("not listening topic=%s error=%s", topic, describe(opening.error))
    return None


def _can_listen() -> bool:
    """A pooler in transaction mode leaves nothing on a connection, neither a cursor (Django's setting) nor a LISTEN."""
    return connection.vendor == "postgresql" and not connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]


def _channel(topic: str) -> str:
    return f"orca_{topic}"


class _Session(Listener):
    """A connection of its own, that listens."""

    def __init__(self, topic: str) -> None:
        database: Any = connection
        self._connection = database.Database.connect(**database.get_connection_params(), autocommit=True)
        self._connection.execute(f"LISTEN {_channel(topic)}")

    def fileno(self) -> int:
        return int(self._connection.fileno())

    def clear(self) -> None:
        self._connection.pgconn.consume_input()
        while self._connection.pgconn.notifies():
            pass

    def close(self) -> None:
        self._connection.close()


class _Pipe(Listener):
    """A named pipe of its own."""

    def __init__(self, topic: str) -> None:
        name = f"{topic}-{uuid_utils.compat.uuid7()}"
        self._path, unready = _folder() / name, _folder() / f".{name}"
        os.mkfifo(unready, 0o600)
        self._handle = os.open(unready, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        unready.rename(self._path)  # found only now: a pipe that nobody reads is removed

    def fileno(self) -> int:
        return self._handle

    def clear(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._handle, ENOUGH)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._handle)


def _notify_pipes(topic: str) -> None:
    for path in _folder().glob(f"{topic}-*"):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:  # its reader died
                path.unlink(missing_ok=True)
            elif error.errno != errno.ENOENT:
                raise
            continue
        try:
            with suppress(BlockingIOError):  # full: enough of them wait to be read
                os.write(handle, b"!")
        finally:
            os.close(handle)


def _folder() -> Path:
    folder = engine_settings().RUN_DIR / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder
