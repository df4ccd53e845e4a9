"""What a database's error is about, as the database itself raises it: keys, contention, timeouts, tables that are not
there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from persistence.causes.analysis import cause_of
from persistence.causes.cause import Cause, Kind
from persistence.causes.database_errors import KINDS, SQLITE_KINDS, sqlstate_name
from persistence.causes.remedies import headline
from tests.seedapp.models import Message, Tally

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
CODES = [
    ("22001", Kind.TOO_LONG, "string_data_right_truncation"),
    ("22003", Kind.OUT_OF_RANGE, "numeric_value_out_of_range"),
    ("22008", Kind.OUT_OF_RANGE, "datetime_field_overflow"),
    ("23502", Kind.NULL, "not_null_violation"),
    ("23503", Kind.MISSING_ROW, "foreign_key_violation"),
    ("23505", Kind.DUPLICATE, "unique_violation"),
    ("23514", Kind.CHECK, "check_violation"),
    ("40001", Kind.CONTENTION, "serialization_failure"),
    ("40P01", Kind.CONTENTION, "deadlock_detected"),
    ("42703", Kind.OLDER_DATABASE, "undefined_column"),
    ("42P01", Kind.OLDER_DATABASE, "undefined_table"),
    ("55P03", Kind.CONTENTION, "lock_not_available"),
    ("57014", Kind.TIMEOUT, "query_canceled"),
]
AS_THE_SERVER_SAYS = "DO $$ BEGIN RAISE EXCEPTION 'Mrs Jones' USING ERRCODE = '{}'; END $$"


def caught(code: Callable[[], Any]) -> Cause:
    """Rolled back, as a handler's work is."""
    with pytest.raises(Exception) as raised, transaction.atomic():
        code()
    return cause_of(raised.value)


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


# --- on both databases --------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_key_of_a_row_that_is_not_there_says_so() -> None:
    """When the transaction ends: keys are checked then."""
    cause = caught(lambda: Message.objects.create(role="a", simulation_id=404))
    assert (cause.exception, cause.kind) == ("IntegrityError", Kind.MISSING_ROW)
    if connection.vendor == "postgresql":
        assert (cause.sqlstate, cause.table, cause.columns) == ("23503", "seedapp_message", ("simulation_id",))
        assert headline(cause).endswith(f"by {cause.constraint}, SQLSTATE 23503 foreign_key_violation")


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [("SELECT 1 FROM not_migrated_yet", "42P01"), ("SELECT not_migrated_yet FROM seedapp_message", "42703")],
)
def test_a_table_or_column_that_is_not_there_leads_to_migrations(statement: str, sqlstate: str) -> None:
    cause = caught(lambda: run(statement))
    assert cause.kind is Kind.OLDER_DATABASE
    assert cause.sqlstate == (sqlstate if connection.vendor == "postgresql" else "")


def test_a_wrong_statement_is_not_taken_for_an_older_database() -> None:
    assert caught(lambda: run("SELEKT 1")).kind is Kind.OTHER


# --- PostgreSQL ---------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Any]:
    """Another session of the same database."""
    given = connection.get_connection_params()
    names = {name: given[name] for name in ("dbname", "host", "port", "user", "password") if given.get(name)}
    with psycopg.connect(**names) as other:
        yield other


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_is_contention(elsewhere: Any) -> None:
    Tally.objects.create(key="a")
    elsewhere.execute("SELECT 1 FROM seedapp_tally FOR UPDATE")
    cause = caught(lambda: list(Tally.objects.select_for_update(nowait=True)))
    assert (cause.exception, cause.kind, cause.sqlstate) == ("OperationalError", Kind.CONTENTION, "55P03")


@pytest.mark.postgres_only
def test_a_statement_that_takes_too_long_is_a_timeout() -> None:
    cause = caught(lambda: run("SET LOCAL statement_timeout = 10", "SELECT pg_sleep(5)"))
    assert (cause.exception, cause.kind, cause.sqlstate) == ("OperationalError", Kind.TIMEOUT, "57014")


@pytest.mark.postgres_only
@pytest.mark.parametrize(("code", "kind", "name"), CODES)
def test_every_code_that_has_a_kind_is_told_by_its_name(code: str, kind: Kind, name: str) -> None:
    """The message, which may hold values, is not told."""
    cause = caught(lambda: run(AS_THE_SERVER_SAYS.format(code)))
    assert (cause.kind, cause.sqlstate) == (kind, code)
    assert headline(cause).endswith(f"SQLSTATE {code} {name}")
    assert "Jones" not in str(cause.as_json())


def test_a_code_without_a_name_is_told_as_it_is() -> None:
    assert set(KINDS) == {code for code, *_ in CODES}
    assert sqlstate_name("XX999") == "XX999"


# --- SQLite -------------------------------------------------------------------------------------


@pytest.mark.skipif(connection.vendor != "sqlite", reason="as the driver of SQLite says it")
def test_a_file_that_somebody_writes_to_is_contention(tmp_path: Path) -> None:
    def second_writer() -> None:
        file = str(tmp_path / "rows.sqlite3")
        with closing(sqlite3.connect(file)) as one, closing(sqlite3.connect(file, timeout=0)) as two:
            one.execute("BEGIN IMMEDIATE")
            with connection.wrap_database_errors:
                two.execute("BEGIN IMMEDIATE")

    cause = caught(second_writer)
    assert (cause.exception, cause.kind) == ("OperationalError", Kind.CONTENTION)
    assert SQLITE_KINDS["SQLITE_BUSY"] is Kind.CONTENTION
