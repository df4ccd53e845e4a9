"""Rows as JSON: what a dry run shows, what tells that a row was changed since, and what a revert puts back."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import DecimalField, Field, GeneratedField, JSONField, Model, QuerySet
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler
from django.utils.duration import duration_iso_string

from orchestration.types import JsonObject
from persistence.fields import CounterField

KEYS_PER_QUERY = 500

RowKey = tuple[type[Model], Any]
"""The model whose table holds the row, and the primary key."""


def columns(model: type[Model]) -> list[Field[Any, Any]]:
    """The stored columns of a model's own table; what the database computes is left out, and what only counts."""
    return [
        field for field in model._meta.local_concrete_fields if not isinstance(field, GeneratedField | CounterField)
    ]


def image_of(model: type[Model], values: JsonObject) -> JsonObject:
    """The row as JSON by column attribute (`author_id`); `values` are Python values, from memory or a query."""
    return {field.attname: _plain(field, values[field.attname]) for field in columns(model)}


def digest_of(image: JsonObject) -> str:
    """16 hex digits of SHA-256 over the canonical JSON of an image."""
    return hashlib.sha256(json.dumps(image, sort_keys=True).encode()).hexdigest()[:16]


def read_images(model: type[Model], keys: Iterable[Any]) -> dict[RowKey, JsonObject]:
    """The rows that are there now, a query per 500 keys."""
    found = {}
    for some in _batches(keys):
        for row in _read(model, some):
            found[model, row[model._meta.pk.attname]] = image_of(model, row)
    return found


def _read(model: type[Model], keys: list[Any]) -> Iterator[JsonObject]:
    """The stored columns of rows as Python values: what `QuerySet.values()` gives, at half its price."""
    sql, expressions = _selection(model)
    key: Any = model._meta.pk  # of a table: it has a column
    wanted = f" WHERE {connection.ops.quote_name(key.column)} IN ({', '.join(['%s'] * len(keys))})"
    with connection.cursor() as cursor:
        cursor.execute(sql + wanted, [key.get_db_prep_value(one, connection) for one in keys])
        rows: Iterable[Any] = cursor.fetchall()
    compiler: Any = SQLCompiler(Query(model), connection, None)
    converters = compiler.get_converters(expressions)
    for row in compiler.apply_converters(rows, converters) if converters else rows:
        yield {field.attname: value for field, value in zip(columns(model), row, strict=True)}


@cache
def _selection(model: type[Model]) -> tuple[str, list[Any]]:
    """`SELECT the stored columns FROM the table`, and the columns as expressions; kept, because naming them takes
    longer than reading a row."""
    rows: QuerySet[Any, Any] = QuerySet(model).order_by().values(*(field.attname for field in columns(model)))
    compiler: Any = rows.query.get_compiler(connection=connection)
    sql, _ = compiler.as_sql()
    return sql, [expression for expression, _, _ in compiler.select]


def python_values(model: type[Model], image: JsonObject) -> JsonObject:
    """An image as values that a save takes; columns that the model no longer has are dropped."""
    return {
        field.attname: image[field.attname] if isinstance(field, JSONField) else field.to_python(image[field.attname])
        for field in columns(model)
        if field.attname in image
    }


def _batches(keys: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(keys)
    while some := list(islice(iterator, KEYS_PER_QUERY)):
        yield some


def _plain(field: Field[Any, Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, JSONField):
        return json.loads(json.dumps(value, cls=field.encoder))
    value = field.to_python(value)
    if isinstance(field, DecimalField):
        return str(Decimal(value).quantize(Decimal(1).scaleb(-field.decimal_places)))
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, list | tuple):
        return [_scalar(item) for item in value]
    return str(value)
