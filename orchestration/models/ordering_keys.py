"""Ordering keys: the sequence of calls that share one, and whose turn it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

from orchestration.clock import database_now
from orchestration.models.counters import count_up
from orchestration.models.prepared_sql import cursor_for_many

HOLDS_UP = """
    NOT (ordering_key = '') AND (status IN ('queued', 'running') OR domain_persist_state = 'pending'
    OR (ordering_policy = 'hold' AND status = 'failed') OR (domain_persist_state = 'dead' AND ordering_policy = 'hold')
    OR (domain_persist_state = 'held' AND ordering_policy = 'hold'))
"""
"""UNFINISHED_IN_ORDER with a key, in the words of the index `call_ordering_first`, or SQLite would not use it."""
FIRST_OF_KEYS = f"""
    WITH RECURSIVE first AS (
        SELECT id, ordering_key, sequence, status, due_at FROM service_call_record WHERE id = (
            SELECT id FROM service_call_record WHERE {HOLDS_UP} ORDER BY ordering_key, sequence LIMIT 1
        )
        UNION ALL
        SELECT next.id, next.ordering_key, next.sequence, next.status, next.due_at
        FROM first JOIN service_call_record AS next ON next.id = (
            SELECT id FROM service_call_record WHERE {HOLDS_UP} AND ordering_key > first.ordering_key
            ORDER BY ordering_key, sequence LIMIT 1
        )
    )
"""  # noqa: S608 - constants
"""The first unfinished call of each key: from key to key through the index, as many steps as there are keys in use,
however many calls wait."""
FIRST_IN_TURN = f"""({FIRST_OF_KEYS}
    SELECT id FROM first WHERE status = 'queued'
        AND ordering_key NOT IN (SELECT ordering_key FROM service_call_record WHERE status = 'running')
        AND ordering_key NOT IN (SELECT ordering_key FROM service_call_record WHERE domain_persist_state = 'pending')
)"""  # noqa: S608 - constants
"""Asking for each waiting call whether another one comes before it takes a quarter of a second for ten thousand."""
WAITED_FOR = f"""{FIRST_OF_KEYS}
    SELECT id FROM first
    WHERE (status IN ('failed', 'succeeded') OR (status = 'queued' AND (due_at > %s OR id IN ({{held}})))) AND EXISTS (
        SELECT 1 FROM service_call_record WHERE {HOLDS_UP} AND ordering_key = first.ordering_key AND status = 'queued'
        AND sequence > first.sequence
    )
    LIMIT %s
"""  # noqa: S608 - constants
"""The first call of each key for which others wait and that will not run now: it has ended, is not due yet, or is held
by something else."""


STILL_IN_TURN = f"""
    SELECT id FROM service_call_record AS picked WHERE id = ANY(%s) AND status || '' = 'queued' AND id = (
        SELECT id FROM service_call_record WHERE {HOLDS_UP} AND ordering_key = picked.ordering_key
        ORDER BY ordering_key, sequence LIMIT 1
    )
    AND ordering_key NOT IN (SELECT ordering_key FROM service_call_record WHERE status = 'running')
    AND ordering_key NOT IN (SELECT ordering_key FROM service_call_record WHERE domain_persist_state = 'pending')
"""  # noqa: S608 - constants
"""FIRST_IN_TURN for some calls, at the cost of their number and not of all keys' (PostgreSQL). The status as no partial
index knows it: the rows are to be found by their ids."""


NEXT_OF_KEY = f"""
    SELECT id FROM service_call_record WHERE {HOLDS_UP} AND ordering_key = wanted.value
    ORDER BY ordering_key, sequence LIMIT 1
"""  # noqa: S608 - constants
NEXT_IN_TURN = """
    SELECT id FROM service_call_record AS next WHERE {first} AND status || '' = 'queued' AND due_at <= %s
    AND ordering_key NOT IN (SELECT ordering_key FROM service_call_record WHERE status = 'running')
    AND ordering_key NOT IN (SELECT ordering_key FROM service_call_record WHERE domain_persist_state = 'pending')
"""
"""FIRST_IN_TURN for some keys, which are one JSON parameter."""


class FirstInTurn(models.Func):
    """Whether a queued call with an ordering key, given by its id and status, is one that no other call of its key
    holds up: at most one of each key.

    On PostgreSQL the ids are an array that is found first, and the status is written as no partial index knows it, so
    that the rows are read by their ids. A join would go through all that are due: a third of a second for ten thousand.
    """

    arity = 2
    output_field: ClassVar[models.Field[bool, bool]] = models.BooleanField()
    arg_joiner = f" IN {FIRST_IN_TURN} AND 'queued' = "
    template = "(%(expressions)s)"

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        return super().as_sql(
            compiler, connection, arg_joiner=f" = ANY(ARRAY{FIRST_IN_TURN}) AND 'queued' = '' || ", **extra
        )


class OrderingKey(models.Model):
    """The counter behind `sequence`: its row lock makes the order of submits the order of sequences."""

    key = models.CharField(primary_key=True, max_length=255)
    last_sequence = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ordering_key"

    def __str__(self) -> str:
        return f"{self.key}={self.last_sequence}"

    @classmethod
    def lock_turns(cls, calls: Mapping[str, str]) -> set[str]:
        """Of these queued calls, as {id: key}, at most one of each key: those whose keys are not locked by somebody
        else and that nothing of their key holds up by now. Their keys are locked until the transaction ends
        (PostgreSQL).

        By hand, because the calls of one key wait for it one after the other.
        """
        with cursor_for_many() as cursor:
            cursor.execute(
                "SELECT key FROM ordering_key WHERE key = ANY(%s) ORDER BY key FOR UPDATE SKIP LOCKED",
                [sorted(set(calls.values()))],
            )
            locked = {key for (key,) in cursor.fetchall()}
            cursor.execute(STILL_IN_TURN, [[pk for pk, key in calls.items() if key in locked]])
            return {pk for (pk,) in cursor.fetchall()}

    @classmethod
    def lock_next(cls, keys: Collection[str]) -> list[str]:
        """The ids of the calls of these keys whose turn it is now and that are due, at most one of each key, without
        those that somebody else has locked. The others are locked until the transaction ends.

        For a transaction that ends a running call of each key: while that runs, nobody claims another one, so the keys
        are not locked.
        """
        return cls._next(keys, database_now(), " FOR NO KEY UPDATE SKIP LOCKED")

    @classmethod
    def in_turn(cls, keys: Collection[str], now: datetime) -> set[str]:
        """The ids of the calls of these keys whose turn it is and that were due at this moment."""
        return set(cls._next(keys, now))

    @classmethod
    def _next(cls, keys: Collection[str], now: datetime, locking: str = "") -> list[str]:
        """`locking`: at the end of the statement, where the database has locks of rows."""
        due = connection.ops.adapt_datetimefield_value(now)
        with cursor_for_many() as cursor:
            if connection.vendor == "postgresql":
                each = f"ARRAY(SELECT ({NEXT_OF_KEY}) FROM unnest(%s::text[]) AS wanted(value))"  # noqa: S608 - constants
                cursor.execute(NEXT_IN_TURN.format(first=f"id = ANY({each})") + locking, [sorted(keys), due])
            else:
                each = f"SELECT ({NEXT_OF_KEY}) FROM json_each(%s) AS wanted"  # noqa: S608 - constants
                cursor.execute(NEXT_IN_TURN.format(first=f"id IN ({each})"), [json.dumps(sorted(keys)), due])
            return [pk for (pk,) in cursor.fetchall()]

    @classmethod
    def waited_for(cls, now: datetime, limit: int, held: models.QuerySet[Any] | None = None) -> list[str]:
        """The ids of calls for which queued ones of their keys wait, and that will not run now: they have ended, are
        not due yet, or are among the queued calls that something `held`. At most one of each key."""
        which, params = ("NULL", ()) if held is None else held.order_by().values("pk").query.sql_with_params()
        with cursor_for_many() as cursor:
            moment = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(WAITED_FOR.format(held=which), [moment, *params, limit])
            return [pk for (pk,) in cursor.fetchall()]

    @classmethod
    def take(cls, key: str, count: int = 1) -> int:
        """Reserve `count` consecutive sequences in the caller's transaction; returns the first."""
        return count_up(cls, "last_sequence", key, count) - count + 1
