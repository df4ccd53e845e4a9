"""System checks that query the database: with `check --database`, and before each `migrate`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

SHOWN = 5
POSTGRES_COLUMNS = (
    "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
    " WHERE relkind IN ('r', 'p', 'f', 'v', 'm') AND attnum > 0 AND NOT attisdropped AND pg_table_is_visible(attrelid)"
)
SQLITE_COLUMNS = (
    "SELECT made.name, columns.name FROM sqlite_master AS made, pragma_table_xinfo(made.name) AS columns"
    " WHERE made.type IN ('table', 'view')"
)


@register(Tags.database)
def check_schema(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E131: the tables lack what the applied migrations made."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        missing = schema_faults(alias)
        if missing:
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            found.append(
                Error(
                    f"The database {alias!r} counts as migrated, but lacks {', '.join(missing[:SHOWN])}{more}: it was"
                    " made by a development version, before migrations were frozen.",
                    hint="Create a new database and `migrate` it; take rows over with `dumpdata` of the version that"
                    " made the old one.",
                    id="orchestration.E131",
                )
            )
    return found


def schema_faults(alias: str) -> list[str]:
    """What the applied migrations of a database should have made and it lacks, as `table` or `table.column`.

    Empty for a database that cannot be asked: others say so.
    """
    connection = connections[alias]
    try:
        loader = MigrationLoader(connection)
        applied = [key for key in loader.applied_migrations if key in loader.graph.nodes]
        models = loader.project_state(applied).apps.get_models(include_auto_created=True) if applied else []
        return list(missing_from(connection, models))
    except DatabaseError:
        return []


def missing_from(connection: BaseDatabaseWrapper, models: Iterable[type[Model]]) -> Iterator[str]:
    """Tables and columns of these models that a database does not have."""
    columns = _columns(connection)
    for model in models:
        options = model._meta
        if not options.managed or options.proxy or not router.allow_migrate_model(connection.alias, model):
            continue
        present = columns.get(options.db_table)
        if present is None:
            yield options.db_table
            continue
        yield from (f"{options.db_table}.{f.column}" for f in options.local_concrete_fields if f.column not in present)


def _columns(connection: BaseDatabaseWrapper) -> dict[str, set[str]]:
    """Of every table that a connection sees, in one query: Django's introspection takes two for each table."""
    columns: dict[str, set[str]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(POSTGRES_COLUMNS if connection.vendor == "postgresql" else SQLITE_COLUMNS)
        for table, column in cursor.fetchall():
            columns[table].add(column)
    return columns
