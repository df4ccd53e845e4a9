"""What a migration may not do to a large table, or under a version that still runs; each rule says what to do instead.

Judged are operations, not SQL, so that no database is needed and both are covered. What has to be done all the same is
said in the migration, with the reason: `reviewed = {"drop": "Unread since 0006, which was released with 1.0."}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from django.db import migrations
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.operations import base
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED, Field, ForeignKey, GeneratedField, ManyToManyField, UniqueConstraint, Value
from django.db.models.functions import Now

from orchestration.backends.online_operations import (
    AddConstraintOnline,
    AddIndexOnline,
    RemoveColumnIndexOnline,
    RemoveIndexOnline,
)

INSTEAD = {
    "rename": "Add the new name beside the old one, write both, and let the next release drop the old one.",
    "drop": "Take it out of the state alone (SeparateDatabaseAndState; a db_default where it is NOT NULL), and let the"
    " next release drop it, with `reviewed`.",
    "not_null": "Give it a db_default, so that a running older version can still insert; or null=True, fill it, and let"
    " the next release make it NOT NULL behind a validated check.",
    "type": "Add a column of the new type, write both, copy in batches, and let the next release drop the old one.",
    "rewrite": "Add it with null=True and without an expression, and fill it in batches.",
    "index": f"Use {AddIndexOnline.__module__}.AddIndexOnline in a migration with atomic = False.",
    "constraint": f"Use {AddIndexOnline.__module__}.AddConstraintOnline in a migration with atomic = False.",
    "atomic": "Put it into a migration of its own with atomic = False: CONCURRENTLY does not run in a transaction.",
    "tables": "Put what concerns each table into a migration of its own, or all into one with atomic = False whose"
    " operations can be applied again one by one.",
    "irreversible": "Give it a way back, RunPython.noop or RunSQL.noop where there is nothing to undo.",
    "sql": "Say in `reviewed` which locks this SQL takes, and for how long.",
}
LOCKS = re.compile(
    r"\b(ALTER\s+TABLE|DROP|RENAME|TRUNCATE|LOCK|CLUSTER|VACUUM\s+FULL|CREATE\s+(UNIQUE\s+)?INDEX(?!\s+CONCURRENTLY))\b",
    re.IGNORECASE,
)
POSTGRES: Any = DatabaseWrapper({"NAME": "", "ENGINE": "", "OPTIONS": {}, "TIME_ZONE": None}, alias="rules")
"""Never connected: it knows the types of columns."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One operation that is refused."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} [{self.rule}]\n    {INSTEAD[self.rule]}"


@dataclass(slots=True)
class Setting:
    """Where an operation stands."""

    app: str
    before: ProjectState
    after: ProjectState
    new: set[str]
    """Models that this migration creates: their tables are empty, and no running version knows them."""
    is_atomic: bool

    def field(self, state: ProjectState, operation: Any) -> Field[Any, Any]:
        """The field of a real model, with its relations; the state alone has it unbound."""
        found: Field[Any, Any] = state.apps.get_model(self.app, operation.model_name)._meta.get_field(operation.name)
        return found


def problems(migration: migrations.Migration, state: ProjectState) -> list[Problem]:
    """What is refused about a migration that is applied to `state`; those that it has `reviewed` are not."""
    new: set[str] = set()
    found: list[Problem] = []
    for operation in migration.operations:
        found += _walk(operation, state, migration, new)
    found += _several_tables(migration)
    reviewed = getattr(migration, "reviewed", {})
    return [problem for problem in found if not reviewed.get(problem.rule)]


def _several_tables(migration: migrations.Migration) -> Iterator[Problem]:
    """A worker writes to several tables in a transaction, in its own order: one that locks them all in another order
    ends in a deadlock, and takes the migration or the worker's results with it."""
    new = {each.name_lower for each in migration.operations if isinstance(each, migrations.CreateModel)}
    tables = {table for operation in migration.operations for table in _locked(operation)} - new
    if migration.atomic and len(tables) > 1:
        yield Problem("tables", f"It locks {', '.join(sorted(tables))} in one transaction.")


def _locked(operation: base.Operation) -> Iterator[str]:
    """The models, in lower case, whose tables an operation locks against writing until the transaction ends."""
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from _locked(inner)
    elif isinstance(operation, migrations.CreateModel):
        yield from _referred(field for _, field in operation.fields)
    elif isinstance(operation, migrations.AddField | migrations.RemoveField):
        yield operation.model_name_lower  # a foreign key's other table is told of by "constraint"
    elif isinstance(operation, migrations.AddConstraint | migrations.RemoveConstraint):
        yield operation.model_name_lower


def _referred(fields: Iterable[Field[Any, Any]]) -> Iterator[str]:
    """The models that foreign keys point at: their tables are locked while the constraint is made."""
    for field in fields:
        if isinstance(field, ForeignKey) and field.db_constraint:
            to = field.remote_field.model
            yield (to if isinstance(to, str) else to._meta.label).rpartition(".")[2].lower()


def _walk(
    operation: base.Operation, state: ProjectState, migration: migrations.Migration, new: set[str]
) -> Iterator[Problem]:
    """The problems of an operation, which is then applied to the state."""
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        beside = state.clone()
        for inner in operation.database_operations:
            yield from _walk(inner, beside, migration, new)
        operation.state_forwards(migration.app_label, state)
        return
    if isinstance(operation, migrations.CreateModel):
        new.add(operation.name.lower())
    before = state.clone()
    operation.state_forwards(migration.app_label, state)
    if str(getattr(operation, "model_name", "")).lower() in new:
        return
    yield from judge(operation, Setting(migration.app_label, before, state, new, migration.atomic))


@singledispatch
def judge(operation: Any, at: Setting) -> Iterator[Problem]:
    """Nothing is wrong with an operation that only changes the state, or creates a table."""
    yield from ()


@judge.register(migrations.RenameModel)
@judge.register(migrations.RenameField)
@judge.register(migrations.AlterModelTable)
def _(operation: Any, at: Setting) -> Iterator[Problem]:
    yield Problem("rename", f"{operation.describe()}: a running older version asks for the old name.")


@judge.register(migrations.RemoveField)
@judge.register(migrations.DeleteModel)
def _(operation: Any, at: Setting) -> Iterator[Problem]:
    if str(getattr(operation, "name", "")).lower() not in at.new:
        yield Problem("drop", f"{operation.describe()}: a running older version still selects it.")


@judge.register
def _(operation: migrations.RemoveConstraint, at: Setting) -> Iterator[Problem]:
    model = at.before.models[at.app, operation.model_name_lower]
    if isinstance(model.get_constraint_by_name(operation.name), UniqueConstraint):
        yield Problem("drop", f"{operation.describe()}: a running older version may need it for ON CONFLICT.")


@judge.register
def _(operation: migrations.AddField, at: Setting) -> Iterator[Problem]:
    field = operation.field
    if isinstance(field, ManyToManyField):
        return
    what = operation.describe()
    if isinstance(field, GeneratedField) or _is_computed(field):
        yield Problem("rewrite", f"{what}: PostgreSQL rewrites the table to compute it.")
    elif not field.null and field.db_default is NOT_PROVIDED:
        yield Problem("not_null", f"{what}: it is NOT NULL and a running older version does not set it.")
    yield from _indexed(what, field)
    named = field.clone()
    named.set_attributes_from_name(operation.name)
    if named.db_check(POSTGRES):
        yield Problem("constraint", f"{what}: every row is read under a lock, for the check of {_type(field)}.")
    if isinstance(field, ForeignKey) and field.db_constraint:
        yield Problem("constraint", f"{what}: its foreign key is checked under a lock on both tables.")


@judge.register
def _(operation: migrations.AlterField, at: Setting) -> Iterator[Problem]:
    old, new, what = at.field(at.before, operation), at.field(at.after, operation), operation.describe()
    if old.column != new.column:
        yield Problem("rename", f"{what}: a running older version asks for the old column.")
    if isinstance(old, ManyToManyField) or isinstance(new, ManyToManyField):
        return
    if old.null and not new.null:
        yield Problem("not_null", f"{what}: every row is read under a lock, and older versions may write NULL.")
    if not _fits(old, new):
        yield Problem("type", f"{what}: the table is rewritten, from {_type(old)} to {_type(new)}.")
    if new.db_check(POSTGRES) and new.db_check(POSTGRES) != old.db_check(POSTGRES):
        yield Problem("constraint", f"{what}: its check reads every row under a lock.")
    if not (old.unique or old.db_index):
        yield from _indexed(what, new)
    if isinstance(new, ForeignKey) and new.db_constraint and not getattr(old, "db_constraint", False):
        yield Problem("constraint", f"{what}: its foreign key is checked under a lock on both tables.")


@judge.register
def _(operation: migrations.AddIndex, at: Setting) -> Iterator[Problem]:
    if isinstance(operation, AddIndexOnline):
        yield from _not_atomic(operation, at)
    else:
        yield Problem("index", f"{operation.describe()}: nobody can write to the table until it is built.")


@judge.register(RemoveIndexOnline)
@judge.register(RemoveColumnIndexOnline)
def _(operation: base.Operation, at: Setting) -> Iterator[Problem]:
    yield from _not_atomic(operation, at)


@judge.register
def _(operation: migrations.AddConstraint, at: Setting) -> Iterator[Problem]:
    if isinstance(operation, AddConstraintOnline):
        yield from _not_atomic(operation, at)
    else:
        yield Problem("constraint", f"{operation.describe()}: every row is checked under a lock.")


@judge.register
def _(operation: migrations.AlterUniqueTogether, at: Setting) -> Iterator[Problem]:
    yield Problem("constraint", f"{operation.describe()}: its index is built under a lock.")


@judge.register
def _(operation: migrations.AlterOrderWithRespectTo, at: Setting) -> Iterator[Problem]:
    yield Problem("not_null", f"{operation.describe()}: the column of the order has no default in the database.")


@judge.register
def _(operation: migrations.RunPython, at: Setting) -> Iterator[Problem]:
    if operation.reverse_code is None:
        yield Problem("irreversible", f"RunPython {getattr(operation.code, '__name__', '')} has no reverse_code.")


@judge.register
def _(operation: migrations.RunSQL, at: Setting) -> Iterator[Problem]:
    if operation.reverse_sql is None:
        yield Problem("irreversible", "RunSQL has no reverse_sql.")
    statements = operation.sql if isinstance(operation.sql, list | tuple) else [operation.sql]
    for statement in statements:
        sql = statement if isinstance(statement, str) else statement[0]
        if LOCKS.search(sql):
            yield Problem("sql", f"RunSQL takes a lock: {' '.join(sql.split())[:80]}")


def _not_atomic(operation: base.Operation, at: Setting) -> Iterator[Problem]:
    if at.is_atomic:
        yield Problem("atomic", f"{operation.describe()} is in a transaction.")


def _indexed(what: str, field: Field[Any, Any]) -> Iterator[Problem]:
    if field.unique:
        yield Problem("constraint", f"{what}: its unique index is built under a lock.")
    elif field.db_index:
        yield Problem("index", f"{what}: its index is built under a lock.")


def _is_computed(field: Field[Any, Any]) -> bool:
    """Whether its default differs from row to row. Now() is one moment for all."""
    default = field.db_default
    return hasattr(default, "resolve_expression") and not isinstance(default, Value | Now)


def _type(field: Field[Any, Any]) -> str:
    return str(field.db_type(POSTGRES))


def _fits(old: Field[Any, Any], new: Field[Any, Any]) -> bool:
    """Whether PostgreSQL changes the catalog alone: the same type, a longer varchar, or text in place of one."""
    before, after = _type(old), _type(new)
    lengths = [re.fullmatch(r"varchar\((\d+)\)", each) for each in (before, after)]
    if before == after or (lengths[0] and after in {"text", "varchar"}):
        return True
    return bool(lengths[0] and lengths[1] and int(lengths[0][1]) <= int(lengths[1][1]))
