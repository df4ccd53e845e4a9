"""Rows as JSON, for dry runs, for detecting later changes, and for reverting."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import Field, Model, QuerySet

from orchestration.types import JsonObject
from orchestration.values.generic_refs import normal_key
from persistence.tracking.counters import declared, watched
from persistence.tracking.snapshot_values import UNKNOWN, plain, remembering, restored

KEYS_PER_QUERY = 500

RowKey = tuple[type[Model], Any]
"""The model whose table holds the row, and the primary key."""


def columns(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    """The stored columns of a model's own table; what the database computes is left out, and what only counts."""
    return watched(model)


def image_of(model: type[Model], values: Mapping[str, Any]) -> JsonObject:
    """The row as JSON by column attribute (`author_id`); `values` are as a query gives them."""
    return {field.attname: plain(field, values[field.attname]) for field in columns(model)}


def remembered_image(obj: Model, model: type[Model], returned: Mapping[str, Any]) -> JsonObject | None:
    """The row of a model's table that was just inserted for an object; None when only a query can tell.

    `returned` is what the database gave back.
    """
    image = {}
    for field, name, remember in _memory(model):
        if name in returned:
            image[name] = plain(field, returned[name])
            continue
        value = field.value_from_object(obj)
        image[name] = None if value is None else remember(value)
        if image[name] is UNKNOWN:
            return None
    return image


@cache
def _memory(model: type[Model]) -> list[tuple[Field[Any, Any], str, Callable[[Any], Any]]]:
    """The stored columns, their names, and what memory knows of them; kept, as this is asked for each inserted row."""
    return [(field, field.attname, remembering(field)) for field in columns(model)]


def same(one: Any, other: Any) -> bool:
    """Whether two images, or two values of images, are the same; to Python, `1`, `1.0` and `True` are, too."""
    return bool(one == other) and _text(one) == _text(other)


_text: Callable[[Any], str] = json.JSONEncoder(sort_keys=True).encode


def digest_of(image: JsonObject) -> str:
    """16 hex digits of SHA-256 over the canonical JSON of an image."""
    return hashlib.sha256(_text(image).encode()).hexdigest()[:16]


def key_in(model: type[Model], values: Mapping[str, Any]) -> Any:
    """The primary key among a row's values; a tuple when it is composite."""
    parts = tuple(values[field.attname] for field in model._meta.pk_fields)
    return parts if model._meta.is_composite_pk else parts[0]


def read_images(model: type[Model], keys: Iterable[Any]) -> dict[RowKey, JsonObject]:
    """The rows that are there now, a query per 500 keys."""
    found = {}
    for some in _batches(keys, KEYS_PER_QUERY // len(model._meta.pk_fields)):
        for row in _read(model, some):
            found[model, normal_key(model, key_in(model, row))] = image_of(model, row)
    return found


def _read(model: type[Model], keys: list[Any]) -> Iterator[JsonObject]:
    """The stored columns of rows as Python values: what `QuerySet.values()` gives, at half its price."""
    sql, convert = _selection(model)
    condition, params = _having(model, keys)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE {condition}", params)
        rows: Iterable[Any] = cursor.fetchall()
    for row in convert(rows):
        yield {field.attname: value for field, value in zip(columns(model), row, strict=True)}


def _having(model: type[Model], keys: list[Any]) -> tuple[str, list[Any]]:
    """The condition of rows with one of these keys, and its parameters."""
    fields: list[Any] = model._meta.pk_fields
    names = [connection.ops.quote_name(field.column) for field in fields]
    if not model._meta.is_composite_pk:
        params = [fields[0].get_db_prep_value(key, connection) for key in keys]
        return f"{names[0]} IN ({', '.join(['%s'] * len(keys))})", params
    one = f"({' AND '.join(f'{name} = %s' for name in names)})"
    parts = [pair for key in keys for pair in zip(fields, key, strict=True)]
    return " OR ".join([one] * len(keys)), [field.get_db_prep_value(part, connection) for field, part in parts]


@cache
def _selection(model: type[Model]) -> tuple[str, Callable[[Iterable[Any]], Iterable[Any]]]:
    """`SELECT the stored columns FROM the table`, and what makes Python values of its rows; kept, because naming the
    columns and looking for their converters takes longer than reading a row."""
    rows: QuerySet[Any, Any] = QuerySet(model).order_by().values(*(field.attname for field in columns(model)))
    compiler: Any = rows.query.get_compiler(connection=connection)
    sql, _ = compiler.as_sql()
    converters = compiler.get_converters([expression for expression, _, _ in compiler.select])
    return sql, partial(compiler.apply_converters, converters=converters) if converters else iter


def python_values(model: type[Model], image: JsonObject) -> JsonObject:
    """An image as values that a save takes; columns that the model no longer has are dropped."""
    stored = (*columns(model), *declared(model))
    return {field.attname: restored(field, image[field.attname]) for field in stored if field.attname in image}


def counters_of(model: type[Model], keys: Iterable[Any]) -> dict[RowKey, JsonObject]:
    """What these rows' declared counters say; only a deleted row gets them back."""
    fields = declared(model)
    if not fields:
        return {}
    names = dict.fromkeys(field.attname for field in [*model._meta.pk_fields, *fields])
    rows: QuerySet[Any, Any] = QuerySet(model, using=connection.alias).order_by()
    found = {}
    for some in _batches(keys, KEYS_PER_QUERY // len(model._meta.pk_fields)):
        for row in rows.filter(pk__in=some).values(*names):
            key = normal_key(model, key_in(model, row))
            found[model, key] = {field.attname: plain(field, row[field.attname]) for field in fields}
    return found


def _batches(keys: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(keys)
    while some := list(islice(iterator, size)):
        yield some
