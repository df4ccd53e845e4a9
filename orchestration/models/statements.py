"""SQL written by hand: what runs for every result, and costs four times as much to build with the ORM as to run.

PostgreSQL plans such a statement once per connection, where the connection's `prepare_threshold` allows it: planning
takes longer than running. A plan that is kept does not know the values, hence must not depend on a partial index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that runs together with a transition, in its transaction."""

    sql: str
    params: list[Any] = field(default_factory=list)


def cursor_with_plans() -> Any:
    """A cursor that leaves the values to the database, which may then keep the plan; elsewhere a plain one.

    Django's own cursors write values into the statement, so that no two are alike.
    """
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    keeps_plans = getattr(connection.connection, "prepare_threshold", None) is not None
    if not keeps_plans or connection.queries_logged:  # a prepared statement has no text to log
        return connection.cursor()
    return connection.make_cursor(connection.Database.Cursor(connection.connection))


def run_together(statements: Sequence[Statement]) -> int:
    """Run statements that write different tables, in one round trip on PostgreSQL; rows that the last one found."""
    *first, last = statements
    with cursor_with_plans() as cursor:
        if cursor.db.vendor == "postgresql" and first:
            parts = ", ".join(f"step_{number} AS ({one.sql})" for number, one in enumerate(first))
            cursor.execute(f"WITH {parts} {last.sql}", [value for one in statements for value in one.params])
        else:
            for one in statements:
                cursor.execute(one.sql, one.params)
        return int(cursor.rowcount)
