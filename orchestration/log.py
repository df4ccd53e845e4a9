"""How orchestration logs: `event key=value`, ids and codes only, never prompts, answers, keys or error texts."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any, Protocol, TypeGuard, runtime_checkable

from django.db import Error

BROKEN_RULE = re.compile(r"(UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: ([\w., ]+))?\Z")
"""What SQLite says of a broken constraint; the names in it are those of the schema."""


class PostgresError(Protocol):
    """An error of psycopg, which may not be installed; `diag` is what the server reports."""

    sqlstate: str | None
    diag: Any


@runtime_checkable
class SqliteError(Protocol):
    """An error that SQLite itself found; the others of its module have no name."""

    sqlite_errorname: str


def is_postgres_error(error: object) -> TypeGuard[PostgresError]:
    """Whether the server of PostgreSQL reported it; asked of its class once, as errors come by the thousand."""
    kind: Any = type(error)
    return _is_of_postgres(kind)


@cache
def _is_of_postgres(kind: type) -> bool:
    return {"sqlstate", "diag"} <= set(dir(kind))


def is_sqlite_error(error: object) -> TypeGuard[SqliteError]:
    """Whether SQLite found it."""
    return not is_postgres_error(error) and isinstance(error, SqliteError)


def describe(error: BaseException) -> str:
    """An exception as type and place (`ValueError:handlers.py:42`): its message may hold personal data.

    Of a database's error also its code and the names of what it is about, which are the schema's:
    `IntegrityError:models.py:7 (SQLSTATE 23505, constraint one_per_day, table visit)`.
    """
    frames = list(traceback.walk_tb(error.__traceback__))  # without the texts of the lines, which take most of the time
    place = ""
    if frames:
        frame, line = frames[-1]
        place = f":{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{line}"
    facts = ", ".join(_of_database(error.__cause__)) if isinstance(error, Error) else ""
    return f"{type(error).__name__}{place}{f' ({facts})' if facts else ''}"


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE of Django's error of the database, empty where the driver gives none."""
    return (error.__cause__.sqlstate or "") if is_postgres_error(error.__cause__) else ""


def _of_database(cause: object) -> Iterator[str]:
    """What the driver's error says about the schema; psycopg and sqlite3 have no type in common."""
    if is_postgres_error(cause) and cause.sqlstate is not None:
        yield f"SQLSTATE {cause.sqlstate}"
        report = cause.diag
        names = (report.constraint_name, report.table_name, report.column_name, report.datatype_name)
        for kind, name in zip(("constraint", "table", "column", "datatype"), names, strict=True):
            if name:
                yield f"{kind} {name}"
    elif is_sqlite_error(cause):
        yield cause.sqlite_errorname
        if (broken := BROKEN_RULE.match(str(cause))) and broken[2]:
            yield f"{'constraint' if broken[1] == 'CHECK' else 'column'} {broken[2]}"
