"""The time that all machines share: the database's.

Whatever one machine writes and another one compares (leases, due times, windows, beats, expiries) is taken from here,
so that a machine whose clock is wrong neither takes over the work of others nor delays anything. On SQLite there is one
machine, and its clock is the database's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connection
from django.utils import timezone

READING_SECONDS = 10.0
"""How long a reading is used. In this time a machine's clock drifts by less than a millisecond."""


TRIES = 3
FAST_SECONDS = 0.005
"""A reading that takes longer is repeated; the fastest of TRIES is the most precise."""
HOPELESS_SECONDS = 0.25
"""A database that takes this long is busy: it is not asked again."""
JITTER = timedelta(milliseconds=50)
"""The readings of two processes differ by less than this."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the database's clock said at a tick of this machine."""

    moment: datetime
    tick: float


_tick: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic
)
"""Seconds that never go back, counted on while the machine sleeps where the system can."""
_last: Reading | None = None


def database_now() -> datetime:
    """The database's time, aware, in UTC.

    Read on a connection that is open, at most once per READING_SECONDS and process, and extrapolated in between: it
    costs next to nothing and works in an event loop, too. Until its first reading a process has only its own clock.
    """
    global _last
    reading = _last
    if not _is_shared():
        return timezone.now()
    if reading is None or not 0 <= _tick() - reading.tick < READING_SECONDS:
        _last = reading = read_database() or reading
    return timezone.now() if reading is None else reading.moment + timedelta(seconds=_tick() - reading.tick)


@cache
def _is_shared() -> bool:
    """Whether the database has a clock of its own. Asked once: looking up a connection costs more than the rest."""
    return connection.vendor == "postgresql"


def read_database() -> Reading | None:
    """A reading of this moment; None where no connection is open, or it cannot be asked now."""
    if connection.connection is None:
        return None
    readings: list[tuple[float, Reading]] = []
    try:
        # Below Django's cursors: this query does not belong to whoever happens to ask for the time.
        with connection.wrap_database_errors, connection.create_cursor() as cursor:
            while len(readings) < TRIES and not (readings and not FAST_SECONDS <= readings[-1][0] < HOPELESS_SECONDS):
                began = _tick()
                cursor.execute("SELECT clock_timestamp()")
                (moment,) = cursor.fetchone()
                took = _tick() - began
                readings.append((took, Reading(moment, began + took / 2)))
    except (DatabaseError, SynchronousOnlyOperation):  # a transaction that failed, or an event loop
        return None
    return min(readings, key=lambda each: each[0])[1]


def clock_offset() -> float:
    """Seconds by which this machine's clock is ahead of the database's; 0.0 on SQLite.

    DatabaseError when the database cannot be asked.
    """
    if connection.vendor != "postgresql":
        return 0.0
    connection.ensure_connection()
    reading = read_database()
    if reading is None:
        raise DatabaseError("The database's clock cannot be read now.")
    return (timezone.now() - reading.moment).total_seconds() - (_tick() - reading.tick)


def no_later_than_now() -> datetime:
    """A time slightly before any that this process will read from either clock from now on."""
    return min(timezone.now(), database_now()) - _jitter()


def earlier_than_new_times() -> datetime:
    """A time before any that what begins now will write, `no_later_than_now` included: a reading of the database's
    clock may follow in between and differ from the one before it."""
    return no_later_than_now() - _jitter()


def _jitter() -> timedelta:
    return timedelta(0) if connection.vendor == "sqlite" else JITTER
