"""How an exception is told: what it is and where, never what it is about."""

import sqlite3

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection

from orchestration.log import describe

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def raised(sql, *values):
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute(sql, values)
    return describe(caught.value)


def test_an_error_of_the_database_is_told_with_its_code():
    told = raised("SELECT CAST(%s AS integer) FROM nowhere_to_be_found", "secret")
    assert "secret" not in told
    assert told.endswith("(SQLSTATE 42P01)" if connection.vendor == "postgresql" else "(SQLITE_ERROR)")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("UNIQUE constraint failed: visit.day, visit.room", "(X, column visit.day, visit.room)"),
        ("NOT NULL constraint failed: visit.day", "(X, column visit.day)"),
        ("CHECK constraint failed: visit_is_short", "(X, constraint visit_is_short)"),
        ("CHECK constraint failed: day > 'secret'", "(X)"),
        ("FOREIGN KEY constraint failed", "(X)"),
        ("Ann Secret is here already", "(X)"),
    ],
)
def test_of_a_message_of_sqlite_only_names_are_reported(message, told):
    error, cause = IntegrityError(message), sqlite3.IntegrityError(message)
    cause.sqlite_errorname = "X"
    error.__cause__ = cause
    assert describe(error) == f"IntegrityError {told}"


def test_an_error_that_no_database_raised_is_type_and_place():
    assert describe(IntegrityError("secret")) == "IntegrityError"
    assert describe(psycopg.OperationalError("secret")) == "OperationalError"
