"""Set-based updates of calls: one statement for a whole batch.

`bulk_update` writes CASE WHEN per row, which is more than ten times slower.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from orchestration.types import Usage

Columns = tuple[tuple[str, str, str], ...]
"""(column, PostgreSQL type, expression over the new value `{v}` and the present row `c`)."""

USAGE_COLUMNS = (
    *((name, "integer", f"c.{name} + {{v}}") for name in Usage.model_fields),
    ("cost", "numeric", "CASE WHEN {v} IS NULL THEN c.cost ELSE COALESCE(c.cost, 0) + {v} END"),
)
SETTLE_COLUMNS = (
    ("status", "text", "{v}"),
    ("result", "jsonb", "{v}"),
    ("error", "text", "{v}"),
    ("error_code", "text", "{v}"),
    ("retryable", "boolean", "{v}"),
    ("failures", "integer", "{v}"),
    ("due_at", "timestamptz", "{v}"),
    ("provider", "text", "{v}"),
    ("model", "text", "{v}"),
    ("finished_at", "timestamptz", "{v}"),
    ("domain_persist_state", "text", "{v}"),
    ("next_persist_at", "timestamptz", "{v}"),
    ("judged_attempts", "boolean", "CASE WHEN {v} THEN c.attempts ELSE c.judged_attempts END"),
    ("updated_at", "timestamptz", "{v}"),
)


def update_rows(columns: Columns, rows: list[tuple[Any, ...]]) -> None:
    """UPDATE service_call_record for rows of (id, *values); their locks are held by the caller's transaction."""
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_recordset_sql(columns), [_recordset(columns, rows)])
        else:
            cursor.executemany(_row_sql(columns), [_adapted(row) for row in rows])


def _recordset_sql(columns: Columns) -> str:
    # One JSON parameter for the batch: quoting an array per column costs the client four times as much.
    types = ", ".join(f"v_{name} {kind}" for name, kind, _ in columns)
    changes = ", ".join(f"{name} = " + rule.format(v=f"v.v_{name}") for name, _, rule in columns)
    return (  # built from the constants above; every value is in the parameter
        f"UPDATE service_call_record AS c SET {changes}"  # noqa: S608
        f" FROM jsonb_to_recordset(%s::jsonb) AS v(v_id text, {types}) WHERE c.id = v.v_id"
    )


def _recordset(columns: Columns, rows: list[tuple[Any, ...]]) -> str:
    names = ["v_id", *(f"v_{name}" for name, _, _ in columns)]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    return json.dumps(records, cls=DjangoJSONEncoder)


def _row_sql(columns: Columns) -> str:
    values = ", ".join(f"%s AS v_{name}" for name, _, _ in columns)
    changes = ", ".join(f"{name} = " + rule.format(v=f"v.v_{name}") for name, _, rule in columns)
    return (  # built from the constants above; every value is a parameter
        f"UPDATE service_call_record AS c SET {changes}"  # noqa: S608
        f" FROM (SELECT %s AS v_id, {values}) AS v WHERE c.id = v.v_id"
    )


def _adapted(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row as SQLite takes it; Django's own adapters know how it stores times and decimals."""
    return tuple(_adapt(value) for value in row)


def _adapt(value: Any) -> Any:
    match value:
        case datetime():
            return connection.ops.adapt_datetimefield_value(value)
        case Decimal():
            return connection.ops.adapt_decimalfield_value(value, 14, 8)
        case dict():
            return json.dumps(value)
    return value
