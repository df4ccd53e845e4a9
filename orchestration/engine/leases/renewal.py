"""Renewing the leases of a worker's calls, in a thread and on a connection of its own that nothing else can delay."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from django.db import Error, connections

from orchestration.conf import engine_settings
from orchestration.engine.leases.outage import database_away
from orchestration.engine.leases.process_lock import WorkerLock
from orchestration.engine.queue.claim import Lease, renew
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import ServiceCallRecord

logger = logging.getLogger(__name__)

JOIN_SECONDS = 2.0
"""How long the end of a worker waits for a renewal that is under way; after that the thread ends by itself."""

SOON = 0.1
"""The part of RENEW_SECONDS after which leases are renewed whose rows somebody held locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What one renewal found."""

    lost: frozenset[Lease]
    """Leases that this worker had and no longer has."""
    cancel: frozenset[str]
    """Ids of calls that somebody asked to cancel."""


class LeaseKeeper:
    """Keeps the leases that it is given, from `__enter__` to `__exit__`.

    `renewed` is called in the event loop that was running at `__enter__`, after each renewal. Renewing continues while
    that loop, or the thread of its database, is blocked. `afterwards` is called in the keeper's thread with what is
    held, and left out while the database answers slowly: renewals come first.
    """

    def __init__(
        self,
        worker: str,
        renewed: Callable[[Renewal], None],
        afterwards: Callable[[set[Lease]], None] = lambda _: None,
        lag: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`lag` says by how many seconds the worker is behind, for those who look at it from outside."""
        self.worker = worker
        self._lag = lag
        self._renewed = renewed
        self._afterwards = afterwards
        self._held: set[Lease] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._file = WorkerLock(worker)
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._file.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(JOIN_SECONDS)
        self._file.__exit__()

    def hold(self, leases: Iterable[Lease]) -> None:
        """Renew these from now on; may be called in any thread."""
        with self._lock:
            self._held.update(leases)

    def release(self, lease: Lease) -> None:
        """The call ended, or is given up."""
        with self._lock:
            self._held.discard(lease)

    def held(self) -> set[Lease]:
        """The leases that are kept at this moment; may be called in any thread."""
        with self._lock:
            return set(self._held)

    def _run(self) -> None:
        try:
            pause = engine_settings().RENEW_SECONDS
            while not self._stopped.wait(pause):
                self._file.note(self._lag())
                pause = engine_settings().RENEW_SECONDS
                with isolated() as renewal:  # whatever it raises, the next one is tried
                    if self._once():
                        pause *= SOON
                if renewal.error is not None:
                    logger.warning("renewal postponed worker=%s error=%s", self.worker, describe(renewal.error))
                    self._look_after_connections(renewal.error)
        finally:
            connections.close_all()

    def _look_after_connections(self, error: Exception) -> None:
        if isinstance(error, Error):
            database_away()
        try:
            connections.close_all()
        except Error as broken:
            logger.warning("connection not closed worker=%s error=%s", self.worker, describe(broken))

    def _once(self) -> int:
        """How many leases could not be renewed at this moment."""
        started = time.monotonic()
        kept = self.held()
        late = self._renew(kept) if kept else 0
        if time.monotonic() - started < engine_settings().RENEW_SECONDS / 4:
            self._afterwards(kept)
        return late

    def _renew(self, kept: set[Lease]) -> int:
        valid, cancel, late = renew(self.worker, [lease.call_id for lease in kept])
        renewal = Renewal(lost=_committed(kept - valid), cancel=frozenset(cancel))
        with suppress(RuntimeError):  # the loop ended meanwhile
            self._loop.call_soon_threadsafe(self._renewed, renewal)
        return late


def _committed(leases: set[Lease]) -> frozenset[Lease]:
    """Those whose rows this connection can see: a caller's open transaction hides its call from everybody else."""
    ids = [lease.call_id for lease in leases]
    seen = set(ServiceCallRecord.objects.filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    return frozenset(lease for lease in leases if lease.call_id in seen)
