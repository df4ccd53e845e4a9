"""Captures every row that code writes through the ORM, in whatever table: `save`, `bulk_create`, `QuerySet.update`,
`delete` and its cascades.

All of them end in the three writing compilers of Django's SQL layer. While a block captures, this connection (no
other one, and no other thread) makes its compilers from subclasses that record which rows a statement will touch.
When a savepoint is rolled back, by `atomic()` or by hand, what memory holds of inserted rows is no longer valid.

Not captured: hand-written SQL (named in `Capture.unseen`), what triggers and `ON DELETE` rules of the database do, rows
of other databases (named in `unseen`), rows of `bulk_create(ignore_conflicts=True)` of models in which nothing is
unique but a key that the database assigns (named in `unseen`, too)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import getmembers, isfunction
from types import TracebackType
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model, Q, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.expressions import Col
from django.db.models.lookups import Exact, In
from django.db.models.sql import Query, UpdateQuery
from django.db.models.sql.where import AND

from orchestration.types import JsonObject
from orchestration.values.generic_refs import has_key, normal_key
from persistence.errors import OtherDatabase
from persistence.models import DrainWake, PersistedChunk, PersistedObject, PersistedPart
from persistence.tracking.counters import counted_by, declared
from persistence.tracking.hand_written_sql import writes
from persistence.tracking.row_changes import RowChange
from persistence.tracking.snapshot_values import is_expression
from persistence.tracking.snapshots import (
    RowKey,
    columns,
    counters_of,
    image_of,
    key_in,
    read_images,
    remembered_image,
    same,
)

OWN = frozenset({ContentType, DrainWake, PersistedChunk, PersistedObject, PersistedPart})
"""Bookkeeping, which does not count as what a handler makes."""
OWN_TABLES = frozenset(
    {"persisted_chunk", "persisted_object", "drain_wake", "persistence_failure", "service_call_record", "ordering_key"}
)
"""Written by hand by this project."""
CONDITIONS = 100
"""Objects that one query looks for: a database's expressions are limited in depth."""
SAVEPOINT = re.compile(r'\s*(SAVEPOINT|ROLLBACK(?: WORK| TRANSACTION)? TO)\s+(?:SAVEPOINT\s+)?"?(\w+)"?', re.I)


class Capture:
    """The rows that were touched, in order of their first touch, each as it was before."""

    def __init__(self) -> None:
        self.unseen: list[str] = []
        """Statements that wrote and could not be followed, as `VERB table`."""
        self._before: dict[RowKey, JsonObject | None] = {}
        self._inserted: dict[RowKey, JsonObject] = {}
        """Images of rows that were inserted and not touched again."""
        self._made: list[Model] = []
        """The instances that were inserted, in order."""
        self._undone: list[Model] = []
        """Those of them whose insertion was rolled back."""
        self._marks: dict[str, int] = {}
        """How many were made when a savepoint was set, by its name."""
        self._gone: set[RowKey] = set()
        self._counted: dict[type[Model], frozenset[str]] = {}
        self._counters: dict[RowKey, JsonObject] = {}
        """Of rows that were deleted, as they were before."""
        self.inside = 0
        """Statements in these are accounted for."""

    def touched(self, before: dict[RowKey, JsonObject | None]) -> None:
        for key, image in before.items():
            self._before.setdefault(key, image)
            self._inserted.pop(key, None)

    def knows(self, key: RowKey) -> bool:
        """Whether the state of this row before it was changed is known."""
        return key in self._before

    def counted(self, model: type[Model], columns: frozenset[str], counters: dict[RowKey, JsonObject]) -> None:
        """An UPDATE counted on some columns, or a DELETE found rows with counters."""
        self._counted[model] = self._counted.get(model, frozenset()) | columns
        for key, values in counters.items():
            self._counters.setdefault(key, values)

    def inserted(self, key: RowKey, image: JsonObject | None) -> None:
        """A row that was not there; `image` when memory knows what was stored."""
        self._before.setdefault(key, None)
        self._inserted.pop(key, None)
        if image is not None and self._before[key] is None:
            self._inserted[key] = image

    def made(self, objects: Sequence[Model]) -> None:
        """Instances whose rows were inserted."""
        self._made += objects
        if self._undone:
            again = set(map(id, objects))
            self._undone = [one for one in self._undone if id(one) not in again]

    def is_gone(self, obj: Model) -> bool:
        """Whether an object was made or touched here, and is not there: deleted, or rolled back with a savepoint.

        To be asked after `changes`.
        """
        key = (obj._meta.concrete_model, normal_key(type(obj), obj.pk)) if has_key(obj) else None
        return key is None or key in self._gone or any(one is obj for one in self._undone)

    def changes(self, *, reread: bool = True, beside: Collection[RowKey] = ()) -> list[RowChange]:
        """What is different now, `beside` rows that were reported already.

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
        self._gone = touched.keys() - after.keys()
        rows = [self._change(key, before, after.get(key)) for key, before in touched.items()]
        return [row for row in rows if not same(row.before, row.after)]

    def _change(self, key: RowKey, before: JsonObject | None, after: JsonObject | None) -> RowChange:
        if before is not None and after is None:
            before = {**before, **self._counters.get(key, {})}
        return RowChange(*key, before, after, self._counted.get(key[0], frozenset()))

    def watch(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        """An execute wrapper: names what writes past the compilers, and notices savepoints that are rolled back."""
        for verb, table in () if self.inside else writes(sql, context):
            if table not in OWN_TABLES:
                self.unseen.append(f"{verb} {table}")
        result = execute(sql, params, many, context)
        found = SAVEPOINT.match(str(sql))
        if found and found[1].upper() == "SAVEPOINT":
            self._marks[found[2]] = len(self._made)
        elif found:
            kept = self._marks.get(found[2], 0)  # set before this block: all of it is rolled back
            self._undone += self._made[kept:]
            del self._made[kept:]
            self._inserted.clear()
        return result

    def watch_elsewhere(
        self, alias: str, refuse: bool, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        """An execute wrapper of another database: names what writes there, or refuses it before it does."""
        for verb, table in writes(sql, context):
            if refuse:
                raise OtherDatabase(f"This writes to {table} in the database {alias!r}: a dry run could not undo it.")
            self.unseen.append(f"{verb} {table} in {alias}")
        return execute(sql, params, many, context)


EXECUTES = ("execute_sql", "execute_returning_sql")
"""What compilers run statements with; the second is Django 6's, for an UPDATE of a model with generated columns."""
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

    def counted(self, model: type[Model], columns: frozenset[str], counters: dict[RowKey, JsonObject]) -> None:
        for capture in self.captures if columns or counters else ():
            capture.counted(model, columns, counters)

    def before(self, model: type[Model], keys: Iterable[Any]) -> dict[RowKey, JsonObject | None]:
        """These rows as they are before a statement; None for what is not there, and for what every block knows."""
        rows = [(model, normal_key(model, key)) for key in keys]
        unknown = [key for model, key in rows if not all(capture.knows((model, key)) for capture in self.captures)]
        return dict.fromkeys(rows) | read_images(model, unknown)

    def not_seen(self, statement: str) -> None:
        for capture in self.captures:
            capture.unseen.append(statement)

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


class capturing:  # noqa: N801 - reads like a function: `with capturing() as capture:`
    """Capture what this thread, and the asynchronous code it waits for, writes; blocks may nest.

    Statements that cannot be followed are named; in a `dry` run those of other databases raise OtherDatabase.
    """

    def __init__(self, *, dry: bool = False) -> None:
        self._capture = Capture()
        self._connection: Any = connections[DEFAULT_DB_ALIAS]
        self._others = {
            connections[alias]: partial(self._capture.watch_elsewhere, alias, dry)
            for alias in connections
            if alias != DEFAULT_DB_ALIAS
        }

    def __enter__(self) -> Capture:
        own = vars(self._connection.ops)
        if "compiler" not in own:
            own["compiler"] = _Compilers(self._connection.ops.compiler, [])
        own["compiler"].captures.append(self._capture)
        self._connection.execute_wrappers.append(self._capture.watch)
        for other, wrapper in self._others.items():
            other.execute_wrappers.append(wrapper)
        return self._capture

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watched in (self._connection, *self._others):
            watched.execute_wrappers.pop()
        own = vars(self._connection.ops)
        compilers = own["compiler"]
        compilers.captures.remove(self._capture)
        if not compilers.captures:
            del own["compiler"]


def _following(compiler: type[Any]) -> type[Any]:
    """The compiler class, noting what it is about to write; classes that only read stay as they are."""
    note = {"SQLInsertCompiler": _insert, "SQLUpdateCompiler": _change, "SQLDeleteCompiler": _change}.get(
        compiler.__name__
    )
    if note is None:
        return compiler

    def noting(execute: Callable[..., Any]) -> Callable[..., Any]:
        def executed(self: Any, *args: Any, **kwargs: Any) -> Any:
            model = self.query.get_meta().concrete_model
            compilers = vars(self.connection.ops).get("compiler")
            if compilers is None:  # made in a block, run after it
                return execute(self, *args, **kwargs)
            if model in OWN:
                with compilers.following():
                    return execute(self, *args, **kwargs)
            return note(compilers, self, model, lambda: execute(self, *args, **kwargs), args, kwargs)

        return executed

    methods = {name: noting(run) for name, run in getmembers(compiler, isfunction) if name in EXECUTES}
    return type(compiler.__name__, (compiler,), methods)


def _change(
    compilers: _Compilers, compiler: Any, model: type[Model], run: Callable[[], Any], args: Any, kwargs: Any
) -> Any:
    """UPDATE and DELETE: the rows that the statement's own condition finds, as they are before it; more do no harm."""
    query: Any = compiler.query
    keys = _keys_of(query, model)
    found = _found_by(compiler, model) if keys is None else compilers.before(model, keys)
    compilers.touched(found)
    assigned = vars(query)["values"] if isinstance(query, UpdateQuery) else []
    deleted = [] if isinstance(query, UpdateQuery) or not declared(model) else [key for _, key in found]
    compilers.counted(model, counted_by(assigned), counters_of(model, deleted))
    if any(field in model._meta.pk_fields for field, _, _ in assigned):
        compilers.not_seen(f"UPDATE {model._meta.db_table}")  # rows get other keys: which, only the database knows
    with compilers.following():
        return run()


def _keys_of(query: Any, model: type[Model]) -> list[Any] | None:
    """The rows that a statement may find at most, when it names them by key; None when it does not."""
    if query.where.negated or query.where.connector != AND:
        return None
    for lookup in query.where.children:
        if isinstance(lookup, Exact | In) and isinstance(lookup.lhs, Col) and lookup.lhs.target is model._meta.pk:
            keys = lookup.rhs if isinstance(lookup, In) else [lookup.rhs]
            if lookup.rhs_is_direct_value() and not any(map(is_expression, keys)):
                return list(keys)
    return None


def _found_by(compiler: Any, model: type[Model]) -> dict[RowKey, JsonObject | None]:
    query = compiler.query.chain(klass=Query)
    query.clear_ordering(force=True)
    query.extra = {}
    rows: Any = QuerySet(model=model, query=query, using=compiler.using).values(
        *dict.fromkeys(field.attname for field in [*model._meta.pk_fields, *columns(model)])
    )
    return {(model, normal_key(model, key_in(model, row))): image_of(model, row) for row in rows}


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
    for capture in compilers.captures:
        capture.made(query.objs)
    returning = kwargs.get("returning_fields") or (args[0] if args else None) or ()
    rows = list(returned or ())
    for position, obj in enumerate(query.objs):
        row = dict(zip((field.attname for field in returning), rows[position], strict=True)) if rows else {}
        _inserted(compilers, model, obj, row, surely=query.on_conflict is None)
    return returned


def _inserted(compilers: _Compilers, model: type[Model], obj: Model, row: JsonObject, *, surely: bool) -> None:
    """`row`: what the database gave back."""
    keys = {field.attname: row.get(field.attname, field.value_from_object(obj)) for field in model._meta.pk_fields}
    if any(key is None or is_expression(key) for key in keys.values()):
        compilers.not_seen(f"INSERT {model._meta.db_table}")
        return
    image = remembered_image(obj, model, row) if surely else None
    for capture in compilers.captures:
        capture.inserted((model, normal_key(model, key_in(model, keys))), image)


def _in_the_way(model: type[Model], objects: Sequence[Model]) -> dict[RowKey, JsonObject | None]:
    """The rows with the key of one of these objects, or alike in columns that are unique together."""
    found: dict[RowKey, JsonObject | None] = {}
    for start in range(0, len(objects), CONDITIONS):
        some = objects[start : start + CONDITIONS]
        condition = Q(pk__in=[normal_key(model, one.pk) for one in some if has_key(one)])
        for names in _unique_columns(model):
            for one in some:
                condition |= Q(**_values(one, names))
        rows = model._base_manager.using(connection.alias).filter(condition)
        found |= read_images(model, rows.values_list("pk", flat=True))
    return found


def _values(obj: Model, names: Iterable[str]) -> dict[str, Any]:
    """Values of an unsaved object's columns; what the database computes as it will, from the others."""
    meta: Any = obj._meta
    computed = {field.attname for field in meta.local_concrete_fields if field.generated}.intersection(names)
    will_be: Any = obj._get_field_expression_map(meta, exclude={"pk"}) if computed else {}  # type: ignore[attr-defined]
    return {name: will_be[name] if name in computed else obj.serializable_value(name) for name in names}


def _unique_columns(model: type[Model]) -> list[list[str]]:
    """Sets of columns that no two rows have alike, beside the key."""
    meta = model._meta
    attnames = {field.name: field.attname for field in meta.local_concrete_fields}
    together = [*meta.unique_together, *(constraint.fields for constraint in meta.total_unique_constraints)]
    single = [(field.name,) for field in meta.local_concrete_fields if field.unique and not field.primary_key]
    return [[attnames[name] for name in names] for names in [*together, *single]]
