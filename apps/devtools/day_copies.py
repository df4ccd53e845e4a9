"""Rows of one day copied to the days before it by PostgreSQL itself, which is ten times as fast as writing them from
here. Secondary indexes and foreign keys are made once, at the end; all in one transaction, so other processes wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, models

from orchestration.models import ServiceCallRecord

MOVED = """
    CREATE OR REPLACE FUNCTION pg_temp.moved(id text, days int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT overlay(lpad(to_hex(
                ('x0000' || left(id, 8) || substr(id, 10, 4))::bit(64)::bigint - days * 86400000::bigint
            ), 12, '0') placing '-' from 9 for 0)
            || substr(id, 14, 11)
            || lpad(to_hex(
                (('x0000' || right(id, 12))::bit(64)::bigint + days * 5308417::bigint) & 281474976710655
            ), 12, '0')
    $$
"""
"""A UUID of version 7 as one that was made some days earlier, with another end. One expression, which PostgreSQL puts
into the statement; a function that it has to call costs more than the row."""
SECONDARY = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid::regclass::text = ANY(%s) AND NOT indisunique
"""
REFERENCES = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND conrelid::regclass::text = ANY(%s)
"""
COPIED = frozenset({"orchestration.AIRequestAudit", "orchestration.AIResponseAudit", "persistence.PersistedChunk"})
"""What rows refer to by an integer, and which is copied, too."""
ENDED = "id = ANY(%(calls)s) AND status NOT IN ('queued', 'running')"
OWN_RESULT = """
    row.result || jsonb_build_object('call_id', pg_temp.moved(row.id, %(back)s),
        'correlation_id', md5(row.correlation_id::text || %(back)s)::uuid,
        'request_correlation_id', md5(row.correlation_id::text || %(back)s)::uuid,
        'context', row.result->'context' || jsonb_build_object('call_id', pg_temp.moved(row.id, %(back)s)))
"""
"""A result names its call and its correlation. One value put together: each step of `jsonb_set` copies all of it."""
OF_DAY = "call_id IN (SELECT id FROM day_service_call_record)"
OF_CALLS = f"id BETWEEN %(first)s AND %(last)s AND {OF_DAY}"


@contextmanager
def without_indexes(tables: list[str]) -> Iterator[None]:
    """Within a transaction: these tables without secondary indexes and foreign keys, which are then made again."""
    with connection.cursor() as cursor:
        cursor.execute(SECONDARY, [tables])
        indexes = cursor.fetchall()
        cursor.execute(REFERENCES, [tables])
        references = cursor.fetchall()
        for table, name, _ in references:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        yield
        for _, definition in indexes:
            cursor.execute(definition)
        for table, name, definition in references:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def copy_day(
    counted: Mapping[type[models.Model], tuple[int, int]],
    others: Sequence[type[models.Model]],
    calls: Sequence[str],
    days: int,
    numbers: int,
) -> None:
    """Copy these calls of a day, and what belongs to them, to each of the `days` days before.

    `counted`: the first and the last integer key, by model, of the rows that belong to them. A copy's keys are
    `numbers` lower for each day. `others` have a call's id as their key. Calls that wait or run are not copied: old
    ones would be taken up.
    """
    copied: list[type[models.Model]] = [ServiceCallRecord, *counted, *others]
    with connection.cursor() as cursor:
        cursor.execute(MOVED)
        cursor.execute(_day(ServiceCallRecord, ENDED), {"calls": list(calls)})
        for model in others:
            cursor.execute(_day(model, OF_DAY))
        for model, (first, last) in counted.items():
            condition = OF_CALLS if _is_of_call(model) else "chunk_id BETWEEN %(first)s AND %(last)s"
            cursor.execute(_day(model, condition), {"first": first, "last": last})
        for back in range(days, 0, -1):
            for model in copied:
                cursor.execute(_copy(model), {"back": back, "less": back * numbers})


def _day(model: type[models.Model], condition: str) -> str:
    """A copy of the day's rows, so that no copy looks through all those that were made before."""
    table = model._meta.db_table
    return f'CREATE TEMPORARY TABLE "day_{table}" ON COMMIT DROP AS SELECT * FROM "{table}" WHERE {condition}'  # noqa: S608


def _is_of_call(model: type[models.Model]) -> bool:
    return any(field.column == "call_id" for field in model._meta.concrete_fields)


def _copy(model: type[models.Model]) -> str:
    is_numbered = model is ServiceCallRecord or _is_of_call(model)
    fields = [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, models.GeneratedField) and (is_numbered or not field.primary_key)
    ]
    names = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(map(_earlier, fields))
    table = model._meta.db_table
    return f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "day_{table}" AS row'  # noqa: S608


def _earlier(field: models.Field[Any, Any]) -> str:
    """The value of a column in the copy."""
    column = f'row."{field.column}"'
    refers = field.related_model if isinstance(field, models.ForeignKey) else None
    kind = field.model if field.primary_key else refers
    if kind is ServiceCallRecord or field.column == "call_id":  # chunks outlive their calls, and do not refer to them
        return f"pg_temp.moved({column}, %(back)s)"
    if field.primary_key or (kind is not None and kind._meta.label in COPIED):
        return f"{column} - %(less)s"
    if isinstance(field, models.DateTimeField):
        return f"{column} - make_interval(days => %(back)s)"
    if isinstance(field, models.UUIDField):
        return f"md5({column}::text || %(back)s)::uuid"
    if field.model is ServiceCallRecord and field.column == "result":
        return OWN_RESULT
    return column
