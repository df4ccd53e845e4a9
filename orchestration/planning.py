"""Questions that PostgreSQL plans for the values they ask about.

A prepared statement is planned for any value. Such a plan cannot use a partial index, whose condition only some values
fulfil, and with a LIMIT it looks cheap all the same: a list of calls by a rare state then reads all calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def planned_for_its_values() -> Iterator[None]:
    """No statement within is a prepared one. A decorator, too."""
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    session = connection.connection
    before, session.prepare_threshold = session.prepare_threshold, None
    try:
        yield
    finally:
        session.prepare_threshold = before
