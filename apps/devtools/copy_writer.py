"""Fast writes of many rows: COPY on PostgreSQL, one prepared INSERT elsewhere. No signals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.management.color import no_style
from django.db import connection, models

Row = Mapping[str, Any]
"""Values by column; a missing column gets the default of its field."""


class Table:
    """Writes rows of one model; JSON is given as text, so that it is encoded once."""

    def __init__(self, model: type[models.Model], *, columns: Iterable[str]) -> None:
        """`columns`: those that the rows have; the others get their default."""
        given = set(columns)
        fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.GeneratedField)]
        self.model = model
        self._fields = [field for field in fields if field.column in given or not field.primary_key]
        self._names = [str(field.column) for field in self._fields]
        unknown = given - set(self._names)
        if unknown:
            raise ValueError(f"{model.__name__} has no columns {sorted(unknown)}.")
        self._defaults = {field.column: _default(field) for field in self._fields if field.column not in given}

    def write(self, rows: Iterable[Row]) -> None:
        """Insert the rows, in order."""
        ready = ([self._adapted(name, row) for name in self._names] for row in rows)
        names = ", ".join(f'"{name}"' for name in self._names)
        table = self.model._meta.db_table
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                    for row in ready:
                        copy.write_row(row)
            else:
                places = ", ".join(["%s"] * len(self._names))
                cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({places})', list(ready))  # noqa: S608 - own names

    def next_id(self) -> int:
        """The first free integer key."""
        last = self.model._base_manager.aggregate(last=models.Max("pk"))["last"]
        return (last or 0) + 1

    def finish(self) -> None:
        """Reset the sequence, so that the database numbers the next row after those that were written."""
        with connection.cursor() as cursor:
            for sql in connection.ops.sequence_reset_sql(no_style(), [self.model]):
                cursor.execute(sql)

    def _adapted(self, name: str, row: Row) -> Any:
        value = row[name] if name in row else self._defaults[name]
        if isinstance(value, datetime):
            return str(value) if connection.vendor == "postgresql" else connection.ops.adapt_datetimefield_value(value)
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, UUID):
            return str(value) if connection.vendor == "postgresql" else value.hex
        return value


def _default(field: models.Field[Any, Any]) -> Any:
    value = field.get_default()
    return json.dumps(value) if isinstance(field, models.JSONField) and value is not None else value
