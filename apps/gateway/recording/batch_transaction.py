"""A transaction of two round trips: what is read goes out with BEGIN, what is written with COMMIT.

A transaction is a generator: it yields what it reads, gets the rows, and returns its result with what is to be written.
So it runs in a thread as well as in an event loop.

On PostgreSQL the statements are prepared once per connection, and each half of the transaction is one message of the
simple protocol: EXECUTE; EXECUTE; COMMIT. Pipeline mode has as few waits, but psycopg then sends every statement by
itself, and each wakes the server up. Elsewhere, behind a pooler and inside of a transaction, one follows the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any, TypeVar
from weakref import WeakSet

from django.db import connection, transaction

from orchestration.models.prepared_sql import cursor_with_plans

T = TypeVar("T")
Call = tuple[str, Sequence[Any]]
"""The name of a statement, and its values."""
Rows = list[tuple[Any, ...]]
Steps = Generator[Sequence[Call], list[Rows], T]
"""Each yield sends statements together, and gets the rows of each."""
Transaction = Steps[tuple[T, list[Call]]]
"""Returns its result, and the statements that write it."""


@cache
def psycopg() -> Any:
    """The module, which is installed where PostgreSQL is used. Asked once: looking up a connection takes longer than
    what is done with it."""
    return connection.Database  # type: ignore[attr-defined]


def driven(steps: Steps[T], read: Callable[[Sequence[Call]], list[Rows]]) -> T:
    """What steps return, read by this function."""
    try:
        calls = next(steps)
        while True:
            calls = steps.send(read(calls))
    except StopIteration as end:
        result: T = end.value
        return result


def run_transaction(steps: Transaction[T], statements: Mapping[str, str], to_prepare: Mapping[str, str]) -> T:
    """Run it in this thread, on Django's connection; `to_prepare` are the statements that PostgreSQL runs."""
    raw = prepared_connection(to_prepare)
    if raw is None:
        with transaction.atomic():
            one_by_one = OneByOne(statements)
            result, writes = driven(steps, one_by_one.read)
            one_by_one.write(writes)
            return result
    messages = _Messages(raw)
    with connection.wrap_database_errors:
        try:
            result, writes = driven(steps, lambda calls: _sent(raw, messages.of(calls), len(calls)))
            _sent(raw, messages.of(writes, ends=True), 0)
        except BaseException:  # whatever it is, a timeout's too: nothing of the transaction may stay open
            _roll_back(raw)
            raise
    return result


async def run_transaction_here(raw: Any, steps: Transaction[T]) -> T:
    """Run it in this event loop, on a connection that `prepared_connection` gave and that nobody else uses meanwhile:
    a thread would have to be woken up for each message, and fight for the interpreter."""
    messages = _Messages(raw)
    with connection.wrap_database_errors:
        try:
            try:
                calls = next(steps)
                while True:
                    calls = steps.send(messages.rows(await exchange(raw.pgconn, messages.of(calls)), len(calls)))
            except StopIteration as end:
                result, writes = end.value
            await exchange(raw.pgconn, messages.of(writes, ends=True))
        except BaseException:  # a cancellation as well: the connection is used again
            status = raw.info.transaction_status.name
            if status == "ACTIVE":  # who uses it next would get what comes now
                raw.close()
            elif status not in {"IDLE", "UNKNOWN"}:
                await exchange(raw.pgconn, b"ROLLBACK")
            raise
    finished: T = result
    return finished


async def exchange(pgconn: Any, message: bytes) -> list[Any]:
    """The results of a message's statements, awaited in this event loop; psycopg's error when one fails."""
    loop, socket = asyncio.get_running_loop(), pgconn.socket
    pgconn.send_query(message)
    ready = asyncio.Event()
    results: list[Any] = []
    loop.add_reader(socket, ready.set)
    try:
        if pgconn.flush():  # the message is longer than what the system takes at once
            loop.add_writer(socket, ready.set)
        while True:
            while pgconn.is_busy():
                await ready.wait()
                ready.clear()
                if not pgconn.flush():
                    loop.remove_writer(socket)
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                break
            results.append(result)
    finally:
        loop.remove_reader(socket)
        loop.remove_writer(socket)
    for result in results:
        if result.status == psycopg().pq.ExecStatus.FATAL_ERROR:
            raise psycopg().errors.error_from_result(result)
    return results


class OneByOne:
    """Each statement at once, in a transaction that somebody else ends."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        self._statements = statements

    def read(self, calls: Sequence[Call]) -> list[Rows]:
        return [cursor.fetchall() if cursor.description else [] for cursor in map(self._run, calls)]

    def write(self, calls: Sequence[Call]) -> None:
        for call in calls:
            self._run(call)

    def _run(self, call: Call) -> Any:
        name, values = call
        cursor = cursor_with_plans()
        cursor.execute(self._statements[name], values)
        return cursor


class _Messages:
    """The messages of one transaction, and the rows that come back."""

    def __init__(self, raw: Any) -> None:
        self._transformer = psycopg().adapt.Transformer(raw)
        self._opening: list[bytes] = [b"BEGIN"]

    def of(self, calls: Sequence[Call], *, ends: bool = False) -> bytes:
        parts, self._opening = [*self._opening, *map(self._execution, calls)], []
        return b"; ".join([*parts, b"COMMIT"] if ends else parts)

    def rows(self, results: list[Any], number: int) -> list[Rows]:
        """Of the last so many results."""
        return [self._rows(result) for result in results[len(results) - number :]]

    def _execution(self, call: Call) -> bytes:
        name, values = call
        return b"EXECUTE gateway_%s (%s)" % (name.encode(), b", ".join(map(self._literal, values)))

    def _literal(self, value: Any) -> bytes:
        found: bytes = self._transformer.as_literal(_as_array(value) if isinstance(value, list) else value)
        return found

    def _rows(self, result: Any) -> Rows:
        if not result.nfields:
            return []
        self._transformer.set_pgresult(result)
        found: Rows = self._transformer.load_rows(0, result.ntuples, tuple)
        return found


def _sent(raw: Any, message: bytes, number: int) -> list[Rows]:
    cursor = psycopg().Cursor(raw)  # below Django's
    cursor.execute(message, prepare=False)
    found = [each.fetchall() if each.pgresult.nfields else [] for each in cursor.results()]
    return found[len(found) - number :]


def _roll_back(raw: Any) -> None:
    if raw.info.transaction_status.name not in {"IDLE", "UNKNOWN"}:
        raw.rollback()


def _as_array(values: list[Any]) -> str:
    """As PostgreSQL reads an array; psycopg looks for the types of its items first, which the statement knows."""
    texts = (str(value).replace("\\", r"\\").replace('"', r"\"") for value in values)
    return "{" + ",".join(f'"{text}"' for text in texts) + "}"


_prepared: WeakSet[Any] = WeakSet()
"""Connections that know the statements."""


def prepared_connection(statements: Mapping[str, str]) -> Any:
    """This thread's connection, which knows the statements and is in no transaction; None where it cannot know them."""
    if not connection.in_atomic_block:
        _leave_pool()
    connection.ensure_connection()
    raw: Any = connection.connection
    if connection.vendor != "postgresql" or raw.prepare_threshold is None:  # None behind a pooler
        return None
    if connection.in_atomic_block or connection.queries_logged:
        return None
    if raw not in _prepared:
        try:
            with connection.wrap_database_errors:
                _prepare(raw, statements)
        except Exception:  # whichever statement failed: closed, it forgets those that it knows by now
            connection.close()
            raise
    return raw


def _leave_pool() -> None:
    """A connection that knows statements and has settings of its own is not given back for others to use: this thread
    opens its own beside the pool of DATABASE_POOL."""
    options = connection.settings_dict["OPTIONS"]
    if "pool" in options:
        connection.close()
        alone = {name: value for name, value in options.items() if name != "pool"}
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": alone}


def _prepare(raw: Any, statements: Mapping[str, str]) -> None:
    # A plan that is kept from when a table was small would read all of it when it has grown.
    raw.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
    for name, sql in statements.items():
        numbers = count(1)
        parts = sql.split("%s")
        numbered = parts[0] + "".join(f"${next(numbers)}{part}" for part in parts[1:])
        raw.execute(f"PREPARE gateway_{name} AS {numbered}", prepare=False)
    _prepared.add(raw)
