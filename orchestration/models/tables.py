"""Whether a database has the tables of a model: for code that runs after `migrate` and cannot assume which apps it
migrated."""

from __future__ import annotations

from django.db import connections, router
from django.db.models import Model


def is_migrated(model: type[Model], using: str) -> bool:
    """Whether the model belongs on this database and its table has every column that the model has now.

    `post_migrate` also comes after migrating one app alone, back to an earlier migration, or another database.
    """
    if not router.allow_migrate_model(using, model):
        return False
    connection = connections[using]
    with connection.cursor() as cursor:
        if model._meta.db_table not in connection.introspection.table_names(cursor):
            return False
        present = {
            column.name for column in connection.introspection.get_table_description(cursor, model._meta.db_table)
        }
    return {field.column for field in model._meta.local_concrete_fields} <= present
