"""Migration operations that build and drop indexes and constraints beside the running product: nothing waits for them.

Each belongs in a migration of its own with `atomic = False`. Elsewhere than on PostgreSQL it is Django's own
operation. One that was interrupted may be run again.
"""

from __future__ import annotations

from typing import Any

from django.db import NotSupportedError
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddConstraint, AddIndex, RemoveIndex
from django.db.migrations.operations.base import Operation
from django.db.models import CheckConstraint, Model, UniqueConstraint
from django.db.transaction import atomic


class AddIndexOnline(AddIndex):
    """AddIndex, with CREATE INDEX CONCURRENTLY on PostgreSQL."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _outside_a_transaction(self, schema_editor)
            _drop_half_built(schema_editor, self.index.name)
            schema_editor.execute(self.index.create_sql(model, schema_editor, concurrently=True))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        if self.allow_migrate_model(
            schema_editor.connection.alias, from_state.apps.get_model(app_label, self.model_name)
        ):
            _outside_a_transaction(self, schema_editor)
            _drop_half_built(schema_editor, self.index.name)

    def describe(self) -> str:
        return f"{super().describe()} without a lock"


class RemoveIndexOnline(RemoveIndex):
    """RemoveIndex, with DROP INDEX CONCURRENTLY on PostgreSQL."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        if self.allow_migrate_model(
            schema_editor.connection.alias, from_state.apps.get_model(app_label, self.model_name)
        ):
            _outside_a_transaction(self, schema_editor)
            _drop_half_built(schema_editor, self.name)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        AddIndexOnline(self.model_name, index).database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"{super().describe()} without a lock"


class RemoveColumnIndexOnline(Operation):
    """Drop the index that a field has by `db_index`, and the one for LIKE that PostgreSQL gets besides for text. Of a
    key only the latter: its own is a constraint.

    The state is for SeparateDatabaseAndState to change, to `db_index=False`; with a key it stays as it is.
    """

    reduces_to_sql = True

    def __init__(self, model_name: str, name: str) -> None:
        """`name`: of the field."""
        self.model_name, self.name = model_name, name

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing changes."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        concurrently = _concurrently(self, schema_editor)
        for statement in self._created(app_label, schema_editor, from_state):
            schema_editor.execute(f"DROP INDEX {concurrently}IF EXISTS {statement.parts['name']}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.database_forwards(app_label, schema_editor, to_state, to_state)  # what was half built
        concurrently = _concurrently(self, schema_editor)
        for statement in self._created(app_label, schema_editor, to_state):
            schema_editor.execute(
                str(statement).replace("CREATE INDEX ", f"CREATE INDEX {concurrently}", 1), params=None
            )

    def _created(self, app_label: str, schema_editor: Any, state: Any) -> list[Any]:
        """The statements with which Django makes these indexes."""
        model = state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return []
        statements: list[Any] = schema_editor._field_indexes_sql(model, model._meta.get_field(self.name))
        return statements

    def describe(self) -> str:
        return f"Drop the indexes of field {self.name} on model {self.model_name} without a lock"


class AddConstraintOnline(AddConstraint):
    """AddConstraint: on PostgreSQL a check is added NOT VALID and then validated, and a unique constraint gets an index
    that was built with CONCURRENTLY.

    NotSupportedError: another kind of constraint.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            with atomic(schema_editor.connection.alias):  # SQLite copies the table
                super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        _outside_a_transaction(self, schema_editor)
        if isinstance(self.constraint, CheckConstraint):
            _add_check(schema_editor, model, self.constraint)
        elif isinstance(self.constraint, UniqueConstraint):
            _add_unique(schema_editor, model, self.constraint)
        else:
            raise NotSupportedError(f"{type(self.constraint).__name__} cannot be added without a lock.")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with atomic(schema_editor.connection.alias):
            super().database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"{super().describe()} without a lock"


def _add_check(schema_editor: BaseDatabaseSchemaEditor, model: type[Model], constraint: CheckConstraint) -> None:
    table, name = (schema_editor.quote_name(each) for each in (model._meta.db_table, constraint.name))
    schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    schema_editor.execute(f"{constraint.create_sql(model, schema_editor)} NOT VALID", params=None)
    schema_editor.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def _add_unique(schema_editor: BaseDatabaseSchemaEditor, model: type[Model], constraint: UniqueConstraint) -> None:
    """Conditions and expressions are unique indexes; plain columns become a constraint that takes its index over."""
    if constraint.deferrable is not None:
        raise NotSupportedError("A deferrable unique constraint cannot be added without a lock.")
    table, name = (schema_editor.quote_name(each) for each in (model._meta.db_table, constraint.name))
    schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    _drop_half_built(schema_editor, constraint.name)
    sql = str(constraint.create_sql(model, schema_editor))
    if sql.startswith("CREATE UNIQUE INDEX "):
        schema_editor.execute(sql.replace("CREATE UNIQUE INDEX ", "CREATE UNIQUE INDEX CONCURRENTLY ", 1), params=None)
        return
    columns = [schema_editor.quote_name(_column(model, each)) for each in constraint.fields]
    schema_editor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({', '.join(columns)})")
    schema_editor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}")


def _column(model: type[Model], name: str) -> str:
    field: Any = model._meta.get_field(name)
    return str(field.column)


def _drop_half_built(schema_editor: BaseDatabaseSchemaEditor, index: str) -> None:
    """What an interrupted CONCURRENTLY leaves behind is invalid, and in the way."""
    schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(index)}")


def _concurrently(operation: Operation, schema_editor: BaseDatabaseSchemaEditor) -> str:
    if schema_editor.connection.vendor != "postgresql":
        return ""
    _outside_a_transaction(operation, schema_editor)
    return "CONCURRENTLY "


def _outside_a_transaction(operation: Operation, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.in_atomic_block:
        raise NotSupportedError(f"{operation.describe()}: set `atomic = False` on the migration.")
