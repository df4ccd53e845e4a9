"""The thread in which receivers of public signals run in a worker, beside the writes and the leases."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from multiprocessing import util

from django.db import Error, connections

from orchestration.engine.execution.commands import Command
from orchestration.engine.execution.events import announce
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import EngineCounter

logger = logging.getLogger(__name__)

LONGEST_BACKLOG = 50_000
"""Writes that may wait to be announced; beyond it new ones are dropped and counted."""
IDLE_SECONDS = 2.0
"""How long the thread, and its connection, stay when there is nothing to announce."""
EXIT_SECONDS = 10.0
"""How long the end of a process waits for receivers."""
COUNT_SECONDS = 3.0
"""How long it then waits until the dropped ones are counted."""
DROPPED = "announcements_dropped"


class Announcer:
    """Announces committed writes one batch after the other, in their order, while there are any.

    Signals are sent at most once: what is dropped, beyond LONGEST_BACKLOG or when the process ends, is counted as
    `announcements_dropped`. Receivers that must not miss anything look at the rows as well.
    """

    def __init__(self) -> None:
        self._batches: deque[Sequence[Command]] = deque()
        self._left = 0
        """Writes that wait or are being announced."""
        self._running = False
        self._changed = threading.Condition()

    def put(self, commands: Sequence[Command]) -> None:
        """Announce these soon; returns at once. May be called in any thread that may use the database."""
        if not commands:
            return
        with self._changed:
            full = self._left + len(commands) > LONGEST_BACKLOG
            if not full:
                self._left += len(commands)
                self._batches.append(commands)
                self._changed.notify_all()
                self._start()
        if full:
            _count_dropped(len(commands))

    def wait(self, seconds: float) -> int:
        """Wait until everything is announced, at most for `seconds`; returns how many writes are left."""
        with self._changed:
            self._changed.wait_for(lambda: not self._left, seconds)
            return self._left

    def _start(self) -> None:
        if not self._running:
            self._running = True
            threading.Thread(target=self._run, name="announcer", daemon=True).start()

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                _announce(batch)
                with self._changed:
                    self._left -= len(batch)
                    self._changed.notify_all()
        finally:
            connections.close_all()

    def _next(self) -> Sequence[Command] | None:
        """The next batch; None when there was none for IDLE_SECONDS, and then the thread ends."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._batches, IDLE_SECONDS):
                self._running = False
                return None
            return self._batches.popleft()


def _announce(batch: Sequence[Command]) -> None:
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
    with isolated() as announcing:  # the batches after this one are announced all the same
        announce(batch)
    if announcing.error is not None:
        logger.error("announcements failed count=%s error=%s", len(batch), describe(announcing.error))


def _count_dropped(count: int) -> None:
    logger.error("announcements dropped count=%s", count)
    EngineCounter.add(DROPPED, count)


_of_process: dict[int, Announcer] = {}
"""Keyed by process, because forks inherit it without its thread."""


def process_announcer() -> Announcer:
    """The one of this process. A process of django-q that ends waits for it, EXIT_SECONDS at most."""
    pid = os.getpid()
    if pid not in _of_process:
        _of_process[pid] = Announcer()
        util.Finalize(None, _end, args=(pid,), exitpriority=10)
    return _of_process[pid]


def _end(pid: int) -> None:
    left = _of_process[pid].wait(EXIT_SECONDS) if pid == os.getpid() else 0
    if left:  # in a thread, because a database that does not answer must not keep the process
        counting = threading.Thread(target=_count_at_end, args=[left], name="announcer-end", daemon=True)
        counting.start()
        counting.join(COUNT_SECONDS)


def _count_at_end(left: int) -> None:
    try:
        _count_dropped(left)
    except Error as error:
        logger.error("announcements dropped and not counted error=%s", describe(error))
    finally:
        connections.close_all()
