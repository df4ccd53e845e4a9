"""System checks that query the database: with `check --database`, and before each `migrate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

SHOWN = 5


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
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for model in models:
            options = model._meta
            if not options.managed or options.proxy or not router.allow_migrate_model(connection.alias, model):
                continue
            if options.db_table not in tables:
                yield options.db_table
                continue
            present = {
                column.name for column in connection.introspection.get_table_description(cursor, options.db_table)
            }
            yield from (
                f"{options.db_table}.{f.column}" for f in options.local_concrete_fields if f.column not in present
            )
