"""Counters that many processes increase at once: one row each, created by the first increase."""

from __future__ import annotations

from django.db import connection, models


def count_up(model: type[models.Model], column: str, key: str, count: int) -> int:
    """Add to the number in the row of this primary key, in the caller's transaction; returns the new number.

    The row stays locked until the transaction ends.
    """
    table, key_column = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({key_column}, {column}) VALUES (%s, %s) ON CONFLICT ({key_column}) DO UPDATE"  # noqa: S608 - names of a model
            f" SET {column} = {table}.{column} + excluded.{column} RETURNING {column}",
            [key, count],
        )
        number: int = cursor.fetchone()[0]
    return number
