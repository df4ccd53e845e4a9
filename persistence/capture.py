"""Every row that code writes through the ORM, in whatever table: `save`, `bulk_create`, `QuerySet.update`, `delete`
and its cascades.

All of them end in the three writing compilers of Django's SQL layer. While a block captures, this connection (no
other one, and no other thread) makes its compilers from subclasses that note which rows a statement is about to touch.

Not seen: hand-written SQL (named in `Capture.unseen`), what triggers and `ON DELETE` rules of the database do, rows of
other databases, rows of `bulk_create(ignore_conflicts=True)` of models in which nothing is unique but a key that the
database gives (named in `unseen`, too).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.expressions import BaseExpression, Col, Combinable
from django.db.models.lookups import Exact, In
from django.db.models.sql import Query
from django.db.models.sql.where import AND

from orchestration.types import JsonObject
from persistence.images import RowKey, columns, image_of, read_images
from persistence.models import DrainWake, ObjectAction, PersistedChunk, PersistedObject, PersistedPart

OWN = frozenset({ContentType, DrainWake, PersistedChunk, PersistedObject, PersistedPart})
"""Bookkeeping, which is no part of what a handler makes."""
OWN_TABLES = frozenset({"persisted_chunk", "persisted_object", "drain_wake", "service_call_record", "ordering_key"})
"""Written by hand by this project."""
CONDITIONS = 100
"""Objects that one query looks for: a database's expressions are limited in depth."""
WRITE = re.compile(r'\s*(INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM|TRUNCATE|MERGE INTO)\s+(?:TABLE )?"?(\w+)', re.I)


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row before and after; None where it was not there."""

    model: type[Model]
    key: Any
    before: JsonObject | None
    after: JsonObject | None

    @property
    def action(self) -> ObjectAction:
        if self.before is None:
            return ObjectAction.CREATED
        return ObjectAction.DELETED if self.after is None else ObjectAction.UPDATED

    @property
    def fields(self) -> dict[str, list[Any]]:
        """`{column: [before, after]}` of what differs."""
        before, after = self.before or {}, self.after or {}
        names = dict.fromkeys([*before, *after])
        return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}


class Capture:
    """The rows that were touched, in order of their first touch, each as it was before."""

    def __init__(self) -> None:
        self.unseen: list[str] = []
        """Statements that wrote and could not be followed, as `VERB table`."""
        self._before: dict[RowKey, JsonObject | None] = {}
        self._inserted: dict[RowKey, JsonObject] = {}
        """Images of rows that were inserted and not touched again."""
        self.inside = 0
        """Statements in these are accounted for."""

    def touched(self, before: dict[RowKey, JsonObject | None]) -> None:
        for key, image in before.items():
            self._before.setdefault(key, image)
            self._inserted.pop(key, None)

    def knows(self, key: RowKey) -> bool:
        """Whether it was told before what the row was."""
        return key in self._before

    def inserted(self, key: RowKey, image: JsonObject | None) -> None:
        """A row that was not there; `image` when memory knows what was stored."""
        self._before.setdefault(key, None)
        self._inserted.pop(key, None)
        if image is not None and self._before[key] is None:
            self._inserted[key] = image

    def changes(self, *, reread: bool = True, beside: Collection[RowKey] = ()) -> list[RowChange]:
        """What is different now, `beside` rows that were told already.

        `reread=False` trusts memory about rows that were inserted and left alone.
        """
        known = {} if reread else self._inserted
        wanted: dict[type[Model], list[Any]] = {}
        touched = {key: before for key, before in self._before.items() if key not in beside}
        for model, key in touched:
            if (model, key) not in known:
                wanted.setdefault(model, []).append(key)
        after = dict(known)
        for model, keys in wanted.items():
            after |= read_images(model, keys)
        rows = [RowChange(*key, before, after.get(key)) for key, before in touched.items()]
        return [row for row in rows if row.before != row.after]

    def watch(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """An execute wrapper: names what writes past the compilers."""
        found = None if self.inside else WRITE.match(sql)
        if found and found[2] not in OWN_TABLES:
            self.unseen.append(f"{found[1].split()[0].upper()} {found[2]}")
        return execute(sql, params, many, context)


_known: dict[type[Any], type[Any]] = {}
"""Compilers, and what stands in for each."""


@dataclass(slots=True)
class _Compilers:
    """Stands in for a connection's `ops.compiler` while blocks capture."""

    make: Callable[[str], type[Any]]
    captures: list[Capture]

    def __call__(self, name: str) -> type[Any]:
        compiler = self.make(name)
        if compiler not in _known:
            _known[compiler] = _following(compiler)
        return _known[compiler]

    def touched(self, before: dict[RowKey, JsonObject | None]) -> None:
        for capture in self.captures:
            capture.touched(before)

    def before(self, model: type[Model], keys: Iterable[Any]) -> dict[RowKey, JsonObject | None]:
        """These rows as they are before a statement; None for what is not there, and for what every block knows."""
        rows = [(model, model._meta.pk.to_python(key)) for key in keys]
        unknown = [key for model, key in rows if not all(capture.knows((model, key)) for capture in self.captures)]
        return dict.fromkeys(rows) | read_images(model, unknown)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Statements in here are accounted for."""
        for capture in self.captures:
            capture.inside += 1
        try:
            yield
        finally:
            for capture in self.captures:
                capture.inside -= 1


@contextmanager
def capturing(*, watch: bool = True) -> Iterator[Capture]:
    """Capture what this thread, and the asynchronous code it waits for, writes; blocks may nest."""
    capture = Capture()
    own: dict[str, Any] = vars(connection.ops)
    compilers = own.get("compiler")
    if compilers is None:
        compilers = own["compiler"] = _Compilers(connection.ops.compiler, [])
    compilers.captures.append(capture)
    try:
        if watch:
            with connection.execute_wrapper(capture.watch):
                yield capture
        else:
            yield capture
    finally:
        compilers.captures.remove(capture)
        if not compilers.captures:
            del own["compiler"]


def _following(compiler: type[Any]) -> type[Any]:
    """The compiler class, noting what it is about to write; classes that only read stay as they are."""
    note = {"SQLInsertCompiler": _insert, "SQLUpdateCompiler": _change, "SQLDeleteCompiler": _change}.get(
        compiler.__name__
    )
    if note is None:
        return compiler

    def execute_sql(self: Any, *args: Any, **kwargs: Any) -> Any:
        model = self.query.get_meta().concrete_model
        compilers = vars(self.connection.ops).get("compiler")
        if compilers is None:  # made in a block, run after it
            return compiler.execute_sql(self, *args, **kwargs)
        if model in OWN:
            with compilers.following():
                return compiler.execute_sql(self, *args, **kwargs)
        return note(compilers, self, model, lambda: compiler.execute_sql(self, *args, **kwargs), args, kwargs)

    return type(compiler.__name__, (compiler,), {"execute_sql": execute_sql})


def _change(
    compilers: _Compilers, compiler: Any, model: type[Model], run: Callable[[], Any], args: Any, kwargs: Any
) -> Any:
    """UPDATE and DELETE: the rows that the statement's own condition finds, as they are before it; more do no harm."""
    keys = _keys_of(compiler.query, model)
    compilers.touched(_found_by(compiler, model) if keys is None else compilers.before(model, keys))
    with compilers.following():
        return run()


def _keys_of(query: Any, model: type[Model]) -> list[Any] | None:
    """The rows that a statement may find at most, when it names them by key; None when it does not."""
    if query.where.negated or query.where.connector != AND:
        return None
    for lookup in query.where.children:
        if isinstance(lookup, Exact | In) and isinstance(lookup.lhs, Col) and lookup.lhs.target is model._meta.pk:
            keys = lookup.rhs if isinstance(lookup, In) else [lookup.rhs]
            if lookup.rhs_is_direct_value() and not any(map(_is_expression, keys)):
                return list(keys)
    return None


def _found_by(compiler: Any, model: type[Model]) -> dict[RowKey, JsonObject | None]:
    query = compiler.query.chain(klass=Query)
    query.clear_ordering(force=True)
    query.extra = {}
    rows: Any = QuerySet(model=model, query=query, using=compiler.using).values(
        "pk", *(field.attname for field in columns(model))
    )
    return {(model, row["pk"]): image_of(model, row) for row in rows}


def _insert(
    compilers: _Compilers, compiler: Any, model: type[Model], run: Callable[[], Any], args: Any, kwargs: Any
) -> Any:
    query = compiler.query
    before = _in_the_way(model, query.objs) if query.on_conflict is not None else {}
    compilers.touched(before)
    with compilers.following():
        returned = run()
    if query.on_conflict is OnConflict.IGNORE and _unique_columns(model):  # it returns no keys
        for new in _in_the_way(model, query.objs).keys() - before.keys():
            for capture in compilers.captures:
                capture.inserted(new, None)
        return returned
    returning = kwargs.get("returning_fields") or (args[0] if args else None) or ()
    rows = list(returned or ())
    for position, obj in enumerate(query.objs):
        row = dict(zip((field.attname for field in returning), rows[position], strict=True)) if rows else {}
        values = {field.attname: row.get(field.attname, getattr(obj, field.attname)) for field in columns(model)}
        _inserted(compilers.captures, model, values, surely=query.on_conflict is None)
    return returned


def _inserted(captures: list[Capture], model: type[Model], values: dict[str, Any], *, surely: bool) -> None:
    key = values[model._meta.pk.attname]
    if key is None or _is_expression(key):
        for capture in captures:
            capture.unseen.append(f"INSERT {model._meta.db_table}")
        return
    known = surely and not any(map(_is_expression, values.values()))
    image = image_of(model, values) if known else None
    for capture in captures:
        capture.inserted((model, model._meta.pk.to_python(key)), image)


def _in_the_way(model: type[Model], objects: Sequence[Model]) -> dict[RowKey, JsonObject | None]:
    """The rows with the key of one of these objects, or alike in columns that are unique together."""
    found: dict[RowKey, JsonObject | None] = {}
    for start in range(0, len(objects), CONDITIONS):
        some = objects[start : start + CONDITIONS]
        condition = Q(pk__in=[one.pk for one in some if one.pk is not None])
        for names in _unique_columns(model):
            for one in some:
                condition |= Q(**{name: getattr(one, name) for name in names})
        found |= read_images(model, model._base_manager.filter(condition).values_list("pk", flat=True))
    return found


def _unique_columns(model: type[Model]) -> list[list[str]]:
    """Sets of columns that no two rows have alike, beside the key."""
    meta = model._meta
    attnames = {field.name: field.attname for field in meta.local_concrete_fields}
    together = [*meta.unique_together, *(constraint.fields for constraint in meta.total_unique_constraints)]
    single = [(field.name,) for field in meta.local_concrete_fields if field.unique and not field.primary_key]
    return [[attnames[name] for name in names] for names in [*together, *single]]


def _is_expression(value: Any) -> bool:
    return isinstance(value, BaseExpression | Combinable)
