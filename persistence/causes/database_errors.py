"""What a database's error is about: its code, the constraint with its columns, and which value did not fit which limit.

The server names no column when a text is too long or a number too large. The statement that Django was about to send is
still in the frames of the traceback, and the models know the limits; so the field is found there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, models
from django.db.models.sql.compiler import SQLInsertCompiler, SQLUpdateCompiler

from orchestration.log import BROKEN_RULE, is_postgres_error, is_sqlite_error, sqlstate_of
from orchestration.values.described import described
from persistence.causes.cause import Cause, Fault, Kind
from persistence.causes.frames import frames_of

NAMES = {
    "22001": "string_data_right_truncation",
    "22003": "numeric_value_out_of_range",
    "22007": "invalid_datetime_format",
    "22008": "datetime_field_overflow",
    "22021": "character_not_in_repertoire",
    "22P02": "invalid_text_representation",
    "22P05": "untranslatable_character",
    "23502": "not_null_violation",
    "23503": "foreign_key_violation",
    "23505": "unique_violation",
    "23514": "check_violation",
    "23P01": "exclusion_violation",
    "25006": "read_only_sql_transaction",
    "25P02": "in_failed_sql_transaction",
    "40001": "serialization_failure",
    "40P01": "deadlock_detected",
    "42501": "insufficient_privilege",
    "42703": "undefined_column",
    "42P01": "undefined_table",
    "53100": "disk_full",
    "53200": "out_of_memory",
    "53300": "too_many_connections",
    "55P03": "lock_not_available",
    "57014": "query_canceled",
    "P0001": "raise_exception",
}
"""The names that PostgreSQL gives its codes."""
KINDS = {
    "22001": Kind.TOO_LONG,
    "22003": Kind.OUT_OF_RANGE,
    "22008": Kind.OUT_OF_RANGE,
    "23502": Kind.NULL,
    "23503": Kind.MISSING_ROW,
    "23505": Kind.DUPLICATE,
    "23514": Kind.CHECK,
    "40001": Kind.CONTENTION,
    "40P01": Kind.CONTENTION,
    "42703": Kind.OLDER_DATABASE,
    "42P01": Kind.OLDER_DATABASE,
    "55P03": Kind.CONTENTION,
    "57014": Kind.TIMEOUT,
}
SQLITE_KINDS = {
    "SQLITE_BUSY": Kind.CONTENTION,
    "SQLITE_CONSTRAINT_CHECK": Kind.CHECK,
    "SQLITE_CONSTRAINT_FOREIGNKEY": Kind.MISSING_ROW,
    "SQLITE_CONSTRAINT_NOTNULL": Kind.NULL,
    "SQLITE_CONSTRAINT_PRIMARYKEY": Kind.DUPLICATE,
    "SQLITE_CONSTRAINT_UNIQUE": Kind.DUPLICATE,
}
NOT_THERE = re.compile(r"no such (table|column)|table \S+ has no column")
"""What SQLite says of a table or a column that is missing: all its errors of statements have one code."""
LENGTH = re.compile(r"character(?: varying)?\((\d+)\)")
"""The type of the column in PostgreSQL's message, which is the same in all languages."""
MOST_FAULTS = 5


def sqlstate_name(code: str) -> str:
    """`23505 unique_violation`; the code alone where the name is not known."""
    return f"{code} {NAMES[code]}" if code in NAMES else code


def cause_of_database_error(error: BaseException, exception: str) -> Cause:
    """The cause of Django's error of the database, without frames."""
    source = error.__cause__
    constraint, table, columns = _named_by(source)
    kind = _kind(error)
    if constraint and not columns:
        columns = _columns_of(table, constraint)
    if kind is Kind.CHECK and _has_choices(table, columns):
        kind = Kind.CHOICE
    written = _written(error)
    faults = _misfits(error, kind, written)
    table = table or written.table
    columns = columns or tuple(fault.path.rpartition(".")[2] for fault in faults)
    return Cause(
        exception=exception,
        kind=kind,
        sqlstate=sqlstate_of(error),
        constraint=constraint,
        table=table,
        columns=columns,
        faults=faults,
    )


def _kind(error: BaseException) -> Kind:
    source = error.__cause__
    if is_sqlite_error(source):
        unknown = Kind.OLDER_DATABASE if NOT_THERE.match(str(source)) else Kind.OTHER
        return SQLITE_KINDS.get(source.sqlite_errorname, unknown)
    return KINDS.get(sqlstate_of(error), Kind.OTHER)


def _named_by(source: object) -> tuple[str, str, tuple[str, ...]]:
    """(constraint, table, columns) as far as the driver's error names them."""
    if is_postgres_error(source):
        report = source.diag
        column = report.column_name
        return report.constraint_name or "", report.table_name or "", (column,) if column else ()
    if is_sqlite_error(source) and (broken := BROKEN_RULE.match(str(source))) and broken[2]:
        if broken[1] == "CHECK":
            return broken[2], _table_of_check(broken[2]), ()
        names = [name.strip() for name in broken[2].split(",")]
        table = names[0].rpartition(".")[0]
        return "", table, tuple(name.rpartition(".")[2] for name in names)
    return "", "", ()


# --- what the models say of the schema --------------------------------------------------------


def model_of(table: str) -> type[models.Model] | None:
    """The model whose rows are in this table."""
    return next((model for model in apps.get_models() if table and model._meta.db_table == table), None)


def table_of_missing(error: ObjectDoesNotExist) -> str:
    """The table of the model whose row was looked for; empty where no model has this error."""
    found = (model for model in apps.get_models() if model.DoesNotExist is type(error))  # type: ignore[attr-defined]  # every model has one
    return next((model._meta.db_table for model in found), "")


def _table_of_check(constraint: str) -> str:
    for model in apps.get_models():
        if any(each.name == constraint for each in model._meta.constraints):
            return model._meta.db_table
    return ""


def _columns_of(table: str, constraint: str) -> tuple[str, ...]:
    """The columns that a constraint is about; empty where the models do not tell."""
    model = model_of(table)
    if model is None:
        return ()
    for each in model._meta.constraints:
        if each.name == constraint:
            fields = each.fields if isinstance(each, models.UniqueConstraint) else ()
            names = fields or sorted(_named_in(getattr(each, "condition", None)))  # other kinds have none
            return tuple(str(model._meta.get_field(name).column) for name in names)  # type: ignore[union-attr]  # a constraint has columns
    named = [
        str(field.column)
        for field in model._meta.local_concrete_fields
        if constraint.startswith(f"{table}_{field.column}_")
    ]
    return (max(named, key=len),) if named else ()


def _named_in(condition: Any) -> set[str]:
    """The fields in a condition."""
    if not isinstance(condition, models.Q):
        return set()
    return {
        name
        for child in condition.children
        for name in (_named_in(child) if isinstance(child, models.Q) else {child[0].partition("__")[0]})  # type: ignore[index]
    }


def _has_choices(table: str, columns: tuple[str, ...]) -> bool:
    model = model_of(table)
    fields = model._meta.local_concrete_fields if model is not None else ()
    return any(field.column in columns and field.choices for field in fields)


# --- which value did not fit -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Written:
    """What the statement that failed was to write."""

    table: str = ""
    values: tuple[tuple[models.Field[Any, Any], Any], ...] = ()


def _misfits(error: BaseException, kind: Kind, written: _Written) -> tuple[Fault, ...]:
    """The fields whose values break the rule that the database refused, each once; without such, those that the
    column in the database is perhaps too short for, although the model is not."""
    if kind not in {Kind.TOO_LONG, Kind.OUT_OF_RANGE, Kind.NULL}:
        return ()
    found = dict(_faults(written, lambda field, value: _broken(kind, field, value)))
    length = LENGTH.search(str(error.__cause__)) if kind is Kind.TOO_LONG and not found else None
    if length is not None:
        found = dict(_faults(written, lambda field, value: _too_short(int(length[1]), field, value)))
    return tuple(found.values())[::-1][:MOST_FAULTS]


def _faults(written: _Written, broken: Callable[[models.Field[Any, Any], Any], str]) -> Iterator[tuple[str, Fault]]:
    for field, value in reversed(written.values):  # of several rows, the first one counts
        if rule := broken(field, value):
            path = f"{written.table}.{field.column}"
            yield path, Fault(path=path, rule=rule, value=described(value))


def _written(error: BaseException) -> _Written:
    for frame, _ in frames_of(error):
        if frame.f_code.co_name != "execute_sql":  # the variables of a frame are copied when one asks for them
            continue
        compiler = frame.f_locals.get("self")
        query: Any = compiler.query if isinstance(compiler, SQLInsertCompiler | SQLUpdateCompiler) else None
        if isinstance(compiler, SQLInsertCompiler):
            pairs = tuple((field, item.__dict__.get(field.attname)) for item in query.objs for field in query.fields)
        elif isinstance(compiler, SQLUpdateCompiler):
            pairs = tuple((field, value) for field, _, value in query.values)
        else:
            continue
        return _Written(query.model._meta.db_table, pairs)
    return _Written()


def _broken(kind: Kind, field: models.Field[Any, Any], value: Any) -> str:
    """The rule that a value breaks, in words; empty when it keeps it, or is not a plain value."""
    match kind, value:
        case Kind.TOO_LONG, str() if field.max_length is not None and len(value) > field.max_length:
            return f"at most {field.max_length:,} characters"
        case Kind.NULL, None if not field.null:
            return "not null"
        case Kind.OUT_OF_RANGE, int() | float() | Decimal() if isinstance(field, models.DecimalField):
            digits = (field.max_digits or 0) - (field.decimal_places or 0)
            return f"at most {digits} digits before the point" if _has_more(digits, field, value) else ""
        case Kind.OUT_OF_RANGE, int() if isinstance(_kept(field), models.IntegerField):
            low, high = connection.ops.integer_field_range(_kept(field).get_internal_type())
            if (low is not None and value < low) or (high is not None and value > high):
                return f"from {low:,} to {high:,}"
    return ""


def _kept(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    """A foreign key has the limits of what it refers to."""
    return field.target_field if isinstance(field, models.ForeignKey) else field


def _has_more(digits: int, field: models.DecimalField[Any, Any], value: Any) -> bool:
    """Whether a number has more digits before the point when it is rounded to the places of the field."""
    number = abs(Decimal(value))
    return not number.is_nan() and number + Decimal("0.5").scaleb(-(field.decimal_places or 0)) >= 10**digits


def _too_short(length: int, field: models.Field[Any, Any], value: Any) -> str:
    """For a text that is longer than the database has room for, where that is less than the model says."""
    if not isinstance(value, str) or len(value) <= length:
        return ""
    model = "any number" if field.max_length is None else f"{field.max_length:,}"
    return f"at most {length:,} characters in the database, {model} in the model (migrations?)"
