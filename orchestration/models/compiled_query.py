"""A query of the ORM that is built once and run often: for what every request asks, where building it costs most."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet

from orchestration.models.prepared_sql import cursor_with_plans

Row = TypeVar("Row", bound=Model)
STAND_IN = "\N{OBJECT REPLACEMENT CHARACTER}"
"""In place of the text that the query is asked with."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Columns of the result that are one row of a model."""

    model: type[Model]
    names: list[str]
    places: list[int]
    place_of_key: int
    belongs_to: Callable[[Any, Any], None] | None
    """Sets this row as what another one refers to; None for the first."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    params: Sequence[Any]
    converters: dict[int, tuple[list[Callable[..., Any]], Any]]
    parts: list[_Part]


class _OfThread(threading.local):
    compiled: _Compiled | None = None


class CompiledQuery(Generic[Row]):
    """`build` gets a text and returns a query that compares columns with it and is else always the same, on the default
    database; with `select_related` of its own foreign keys if wanted. A plan may be kept: see `cursor_with_plans`."""

    def __init__(self, build: Callable[[str], QuerySet[Row]]) -> None:
        self._build = build
        self._local = _OfThread()  # what is compiled holds the thread's connection

    def first(self, text: str) -> Row | None:
        """The first row for this text."""
        compiled = self._compiled()
        with cursor_with_plans() as cursor:
            cursor.execute(compiled.sql, [text if value == STAND_IN else value for value in compiled.params])
            found = cursor.fetchone()
        return self._row(compiled, list(found)) if found else None

    def _row(self, compiled: _Compiled, values: list[Any]) -> Row:
        connection = connections[DEFAULT_DB_ALIAS]
        for place, (converters, expression) in compiled.converters.items():
            for convert in converters:
                values[place] = convert(values[place], expression, connection)
        rows: list[Any] = []
        for part in compiled.parts:
            missing = values[part.place_of_key] is None
            row = (
                None
                if missing
                else part.model.from_db(DEFAULT_DB_ALIAS, part.names, [values[place] for place in part.places])
            )
            rows.append(row)
            if part.belongs_to is not None:
                part.belongs_to(rows[0], row)
        return cast("Row", rows[0])

    def _compiled(self) -> _Compiled:
        if self._local.compiled is None:
            self._local.compiled = self._compile()
        return self._local.compiled

    def _compile(self) -> _Compiled:
        compiler: Any = self._build(STAND_IN).query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        columns = [column for column, *_ in compiler.select]
        infos = [compiler.klass_info, *compiler.klass_info.get("related_klass_infos", ())]
        return _Compiled(sql, params, compiler.get_converters(columns), [_part(columns, info) for info in infos])


def _part(columns: Sequence[Any], info: dict[str, Any]) -> _Part:
    """Of what Django's compiler says about the classes of a result."""
    model, places = info["model"], info["select_fields"]
    names = [columns[place].target.attname for place in places]
    return _Part(model, names, places, places[names.index(model._meta.pk.attname)], info.get("local_setter"))
