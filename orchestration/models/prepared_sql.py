"""SQL written by hand: what runs for every result, and costs four times as much to build with the ORM as to run.

PostgreSQL plans such a statement once per connection, where the connection's `prepare_threshold` allows it: planning
takes longer than running. A plan that is kept does not know the values, so it must not depend on a partial index.
A statement for many rows is planned each time, because its plan depends on how large the tables are by now.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import Any
from uuid import UUID

import orjson
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import AutoField, DateField, Field, Model, QuerySet, TimeField

from orchestration.values.stored_json import Unreadable


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that runs together with a transition, in its transaction."""

    sql: str
    params: list[Any] = field(default_factory=list)


@cache
def is_postgresql() -> bool:
    """Asked once: looking up a connection takes longer than most of what depends on the answer."""
    return bool(connections[DEFAULT_DB_ALIAS].vendor == "postgresql")


def cursor_with_plans() -> Any:
    """A cursor that leaves the values to the database, which may then keep the plan; elsewhere a plain one.

    Django's own cursors write values into the statement, so that no two are alike.
    """
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    keeps_plans = connection.vendor == "postgresql" and connection.connection.prepare_threshold is not None
    if not keeps_plans or connection.queries_logged:  # a prepared statement has no text to log
        return connection.cursor()
    return connection.make_cursor(connection.Database.Cursor(connection.connection))


def cursor_for_many() -> Any:
    """A cursor that leaves the values to PostgreSQL and keeps no plan; elsewhere a plain one.

    Django's own cursors write values into the statement, which costs the client more than everything else about it.
    """
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    if connection.vendor != "postgresql" or connection.queries_logged:
        return connection.cursor()
    return connection.make_cursor(connection.PlanningCursor(connection.connection))


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


def count_together(*found: QuerySet[Any, Any]) -> list[int]:
    """How many rows each queryset of one database has, in one round trip. The ORM has no statement without a table."""
    if not found:
        return []
    compiled = [rows.query.get_compiler(rows.db).as_sql() for rows in found]
    counts = ", ".join(f"(SELECT COUNT(*) FROM ({sql}) AS counted)" for sql, _ in compiled)  # noqa: S608 - the ORM's
    with connections[found[0].db].cursor() as cursor:
        cursor.execute(f"SELECT {counts}", [value for _, params in compiled for value in params])
        return list(cursor.fetchone())


# --- many rows in one parameter (PostgreSQL) --------------------------------------------------


def recordset(columns: Sequence[tuple[str, str]]) -> str:
    """The table `v` of one JSON parameter; columns as (name, type).

    A parameter for each column of each row takes the client four times as long, and so does an array per column.
    """
    types = ", ".join(f"v_{name} {kind}" for name, kind in columns)
    return f"jsonb_to_recordset(%s::jsonb) AS v({types})"


def as_recordset(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The parameter of a `recordset`. ValueError or TypeError for what JSON cannot hold, as from Django's columns."""
    keys = [f"v_{name}" for name in names]
    # Row by row, because other threads stand still while one value is encoded.
    return f"[{','.join([_as_text(keys, row) for row in rows])}]"


FLAT = frozenset({str, int, float, bool, type(None)})
"""Types that orjson writes as json does, but for numbers that are not finite, and what it refuses: halves of surrogate
pairs, and integers beyond 64 bits."""


def _as_text(keys: Sequence[str], values: Sequence[Any]) -> str:
    """A row as JSON. Most rows are flat, and orjson writes those in a twentieth of the time."""
    kinds = set(map(type, values))
    if not kinds <= PLAIN:
        values = list(map(_as_json, values))
        kinds = set(map(type, values))
    row = dict(zip(keys, values, strict=True))
    if kinds <= FLAT and (float not in kinds or all(isfinite(value) for value in values if type(value) is float)):
        with suppress(orjson.JSONEncodeError):
            return orjson.dumps(row).decode()
    return json.dumps(row)


PLAIN = frozenset({str, int, float, bool, type(None), dict, list})
"""Types that JSON has; most values are of one."""


def _as_json(value: Any) -> Any:
    """A value of a column, not what is inside of one."""
    if type(value) in PLAIN:
        return value
    match value:
        case date():  # and date-times
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case str():  # one of a few choices
            return str.__str__(value)
        case Unreadable():
            raise ValueError("A stored value could not be read, and is not written back.")
    return value


@dataclass(frozen=True, slots=True)
class _Insertion:
    """How new rows of a model are inserted."""

    sql: str
    names: tuple[str, ...]
    """Of the columns."""
    attributes: tuple[str, ...]
    now: tuple[Field[Any, Any], ...]
    """Fields whose value is the time of the insertion."""


@cache
def _insertion(model: type[Model]) -> _Insertion:
    """Without columns that the database fills: a key that it assigns, and what it computes from others."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    fields: list[Field[Any, Any]] = [
        field for field in model._meta.local_concrete_fields if not (isinstance(field, AutoField) or field.generated)
    ]
    names = tuple(str(field.column) for field in fields)
    source = recordset([(str(field.column), str(field.db_type(connection))) for field in fields])
    sql = (
        f"INSERT INTO {model._meta.db_table} ({', '.join(names)})"  # noqa: S608 - names of a model
        f" SELECT {', '.join(f'v_{name}' for name in names)} FROM {source}"
    )
    moments = [field for field in fields if isinstance(field, DateField | TimeField)]  # a DateTimeField is a DateField
    now = tuple(field for field in moments if field.auto_now or field.auto_now_add)
    return _Insertion(sql, names, tuple(field.attname for field in fields), now)


def insertion(rows: Sequence[Model]) -> Statement:
    """Inserts new rows of one model, with their keys unless the database assigns them."""
    known = _insertion(type(rows[0]))
    for row in rows:
        for moment in known.now:
            moment.pre_save(row, True)
    values = [[each[name] for name in known.attributes] for each in map(vars, rows)]
    return Statement(known.sql, [as_recordset(known.names, values)])
