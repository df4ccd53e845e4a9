"""Clocks that are wrong: a machine's, or the database's that all machines go by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orchestration import clock

_now, _read = timezone.now, clock.read_database


@contextmanager
def machine_clock(ahead: timedelta) -> Iterator[None]:
    """What happens within happens on a machine whose clock is so far ahead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: _now() + ahead)
        yield


@contextmanager
def database_clock(ahead: timedelta) -> Iterator[None]:
    """The database's clock jumps, for all; on SQLite that is the machine's."""

    def read() -> clock.Reading | None:
        found = _read()
        return found and clock.Reading(found.moment + ahead, found.tick)

    if connection.vendor == "sqlite":
        with machine_clock(ahead):
            yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "read_database", read)
        patch.setattr(clock, "_last", None)
        yield
