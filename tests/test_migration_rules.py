"""Each rule refuses a migration that breaks it, and lets the way around it pass."""

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection, migrations, models, transaction
from django.db.migrations.state import ProjectState
from django.db.models.functions import Length, Now, Upper
from django.db.utils import IntegrityError, NotSupportedError

from orchestration.backends.online_operations import (
    AddConstraintOnline,
    AddIndexOnline,
    RemoveColumnIndexOnline,
    RemoveIndexOnline,
)
from tests.migration_rules import INSTEAD, problems

TEXT, NUMBER = models.CharField(max_length=20), models.IntegerField(null=True)
COLUMNS = [("id", models.BigAutoField(primary_key=True)), ("text", TEXT), ("number", NUMBER)]
UNIQUE = models.UniqueConstraint(fields=["text", "number"], name="once")
CHECK = models.CheckConstraint(condition=models.Q(number__gte=0), name="positive")
INDEX = models.Index(fields=["text"], name="by_text")


def state(*more):
    """A project with two large tables."""
    made = ProjectState()
    operations = [migrations.CreateModel(name, list(COLUMNS)) for name in ("Row", "Other")]
    for operation in (*operations, migrations.AddConstraint("row", UNIQUE), *more):
        operation.state_forwards("big", made)
    return made


def judged(*operations, atomic=True, reviewed=None):
    members = {"operations": list(operations), "atomic": atomic, "reviewed": reviewed or {}}
    return problems(type("Migration", (migrations.Migration,), members)("0002_next", "big"), state())


def add(name="more", **options):
    return migrations.AddField("row", name, options.pop("field", models.TextField)(**options))


def alter(name, field):
    return migrations.AlterField("row", name, field)


def forwards(apps, schema_editor):
    make_password("x")


FOREIGN_KEY = {"field": models.ForeignKey, "to": "big.other", "on_delete": models.CASCADE, "null": True}
BAD = {
    "a renamed table": ("rename", migrations.RenameModel("Row", "Line")),
    "a renamed column": ("rename", migrations.RenameField("row", "text", "words")),
    "another name of the table": ("rename", migrations.AlterModelTable("row", "lines")),
    "another name of the column": ("rename", alter("text", models.CharField(max_length=20, db_column="words"))),
    "a dropped table": ("drop", migrations.DeleteModel("Row")),
    "a dropped column": ("drop", migrations.RemoveField("row", "text")),
    "a dropped column, state apart": (
        "drop", migrations.SeparateDatabaseAndState([migrations.RemoveField("row", "text")])),
    "a dropped unique constraint": ("drop", migrations.RemoveConstraint("row", "once")),
    "not null without a default": ("not_null", add(default="")),
    "a column becomes not null": ("not_null", alter("number", models.IntegerField(default=0))),
    "an order of rows": ("not_null", migrations.AlterOrderWithRespectTo("row", "number")),
    "another type": ("type", alter("number", models.CharField(max_length=20, null=True))),
    "a shorter text": ("type", alter("text", models.CharField(max_length=10))),
    "a computed default": ("rewrite", add(db_default=Upper(models.Value("x")))),
    "a generated column": (
        "rewrite", add(field=models.GeneratedField, expression=Length("text"), db_persist=True,
                       output_field=models.IntegerField())),
    "an index": ("index", migrations.AddIndex("row", INDEX)),
    "an index with a column": ("index", add(null=True, db_index=True)),
    "an index on a column": ("index", alter("text", models.CharField(max_length=20, db_index=True))),
    "an index of a foreign key": ("index", add(**FOREIGN_KEY, db_constraint=False)),
    "an index online, in a transaction": ("atomic", AddIndexOnline("row", INDEX)),
    "a constraint online, in a transaction": ("atomic", AddConstraintOnline("row", CHECK)),
    "a check": ("constraint", migrations.AddConstraint("row", CHECK)),
    "a check of a type": ("constraint", alter("number", models.PositiveIntegerField(null=True))),
    "a column with the check of its type": ("constraint", add(field=models.PositiveSmallIntegerField, null=True)),
    "a unique constraint": ("constraint", migrations.AddConstraint("row", UNIQUE)),
    "a unique column": ("constraint", add(null=True, unique=True)),
    "unique together": ("constraint", migrations.AlterUniqueTogether("row", {("text", "number")})),
    "a foreign key": ("constraint", add(**FOREIGN_KEY, db_index=False)),
    "a table between two others": (
        "tables", migrations.CreateModel("Link", [
            *COLUMNS, *((name, models.ForeignKey(f"big.{name}", models.CASCADE)) for name in ("row", "other"))])),
    "code without a way back": ("irreversible", migrations.RunPython(forwards)),
    "SQL without a way back": ("irreversible", migrations.RunSQL("UPDATE row SET text = ''")),
    "SQL that locks": ("sql", migrations.RunSQL("CREATE INDEX x ON row (text)", migrations.RunSQL.noop)),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "operation"), BAD.values(), ids=BAD)
def test_what_locks_or_breaks_is_refused(rule, operation):
    (problem,) = judged(operation)
    assert problem.rule == rule
    assert INSTEAD[rule] in str(problem)
    assert judged(operation, reviewed={rule: "the table has ten rows"}) == []


def test_every_rule_has_a_bad_migration():
    assert {rule for rule, _ in BAD.values()} == set(INSTEAD)


GOOD = {
    "a nullable column": add(null=True),
    "a default in the database": add(db_default=""),
    "the time of the migration": add(field=models.DateTimeField, db_default=Now()),
    "a foreign key without index and constraint": add(**FOREIGN_KEY, db_index=False, db_constraint=False),
    "a longer text": alter("text", models.CharField(max_length=30)),
    "text in place of a short one": alter("text", models.TextField()),
    "another help text": alter("text", models.CharField(max_length=20, help_text="New.")),
    "a column that may be null now": alter("text", models.CharField(max_length=20, null=True)),
    "out of the state only": migrations.SeparateDatabaseAndState([], [migrations.RemoveField("row", "text")]),
    "code with a way back": migrations.RunPython(forwards, migrations.RunPython.noop),
    "SQL with a way back": migrations.RunSQL("UPDATE row SET text = ''", migrations.RunSQL.noop),
    "many to many": add(field=models.ManyToManyField, to="big.other"),
}


@pytest.mark.parametrize("operation", GOOD.values(), ids=GOOD)
def test_what_a_running_version_survives_passes(operation):
    assert judged(operation) == []


def test_one_transaction_locks_one_table():
    """Two of them, in another order than a worker's, end in a deadlock."""
    both = (add(null=True), migrations.AddField("other", "more", models.TextField(null=True)))
    assert [problem.rule for problem in judged(*both)] == ["tables"]
    assert judged(*both, atomic=False) == []
    assert judged(add(null=True), add("most", null=True)) == []


def test_online_operations_pass_outside_of_a_transaction():
    online = AddIndexOnline("row", INDEX), AddConstraintOnline("row", CHECK), RemoveColumnIndexOnline("row", "text")
    assert judged(*online, atomic=False) == []
    assert [problem.rule for problem in judged(online[-1])] == ["atomic"]


def test_a_table_of_the_same_migration_is_empty():
    created = migrations.CreateModel("New", list(COLUMNS))
    index = models.Index(fields=["text"], name="new_text")
    assert judged(created, migrations.AddIndex("new", index), migrations.RemoveField("new", "number")) == []


ONLINE = {
    "an index": AddIndexOnline("row", INDEX),
    "a check": AddConstraintOnline("row", CHECK),
    "a unique constraint": AddConstraintOnline("row", models.UniqueConstraint(fields=["number"], name="one_number")),
    "a unique index": AddConstraintOnline(
        "row", models.UniqueConstraint(fields=["number"], condition=models.Q(number__gt=0), name="one_positive")
    ),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
@pytest.mark.parametrize("operation", ONLINE.values(), ids=ONLINE)
def test_an_online_operation_does_what_djangos_does(operation):
    before = state()
    after = before.clone()
    operation.state_forwards("big", after)
    row = before.apps.get_model("big", "Row")
    with connection.schema_editor() as editor:
        editor.create_model(row)
    try:
        row.objects.create(text="a", number=1)
        for _ in range(2 if connection.vendor == "postgresql" else 1):  # again, as after an interruption
            with connection.schema_editor(atomic=False) as editor:
                operation.database_forwards("big", editor, before, after)
        name = operation.index.name if isinstance(operation, AddIndexOnline) else operation.constraint.name
        assert name in constraints()
        if name != "by_text":
            with pytest.raises(IntegrityError), transaction.atomic():
                row.objects.create(text="b", number=-1 if name == "positive" else 1)
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards("big", editor, after, before)
        assert name not in constraints()
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(row)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_an_index_is_dropped_online_and_built_again():
    bare = state()
    before = bare.clone()
    AddIndexOnline("row", INDEX).state_forwards("big", before)
    after = before.clone()
    operation = RemoveIndexOnline("row", INDEX.name)
    operation.state_forwards("big", after)
    row = before.apps.get_model("big", "Row")
    with connection.schema_editor() as editor:
        editor.create_model(row)
    try:
        assert INDEX.name in constraints()
        for _ in range(2 if connection.vendor == "postgresql" else 1):
            with connection.schema_editor(atomic=False) as editor:
                operation.database_forwards("big", editor, before, after)
        assert INDEX.name not in constraints()
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards("big", editor, after, before)
        assert INDEX.name in constraints()
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(row)


def constraints():
    with connection.cursor() as cursor:
        return connection.introspection.get_constraints(cursor, "big_row")


@pytest.mark.django_db
@pytest.mark.postgres_only
def test_an_online_operation_refuses_a_transaction():
    before = state()
    after = before.clone()
    operation = ONLINE["an index"]
    operation.state_forwards("big", after)
    with pytest.raises(NotSupportedError, match="atomic = False"), connection.schema_editor() as editor:
        operation.database_forwards("big", editor, before, after)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_the_indexes_of_a_column_are_dropped_and_built_again():
    """PostgreSQL has two of them for a text."""
    before = state()
    alter("text", models.CharField(max_length=20, db_index=True)).state_forwards("big", before)
    row = before.apps.get_model("big", "Row")
    operation = RemoveColumnIndexOnline("row", "text")
    with connection.schema_editor() as editor:
        editor.create_model(row)
    try:
        present = indexes()
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("big", editor, before, before)
        assert len(present - indexes()) == (2 if connection.vendor == "postgresql" else 1)
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards("big", editor, before, before)
        assert indexes() == present
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(row)


def indexes():
    return {name for name, found in constraints().items() if found["index"]}
