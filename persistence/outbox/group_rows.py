"""The rows of a group: locked with one statement, and written with one at its end (three on SQLite).

Written by hand, because a statement for each result takes the client longer than its handler does. The keys of the
chunks are drawn when the calls are locked; so a handler can refer to its chunk, which is inserted later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestration.clock import JITTER, database_now
from orchestration.errors import TransitionRefused
from orchestration.models.persist_state import STATE
from orchestration.models.prepared_sql import as_recordset, cursor_for_many, recordset
from persistence.models import PersistedChunk
from persistence.models.chunks import ObjectRow
from persistence.models.failures import AGAIN, INTO
from persistence.outbox.outbox_row import DUE

JSON_COLUMNS = ("summary", "unseen", "files")
CHUNK = (
    ("id", "bigint"),
    ("call_id", "text"),
    ("schema_identity", "text"),
    ("part", "text"),
    ("namespace", "text"),
    ("handler_identity", "text"),
    ("handler_fingerprint", "text"),
    ("schema_version", "integer"),
    ("format_version", "smallint"),
    ("content_type_id", "integer"),
    ("object_id", "text"),
    *((name, "jsonb") for name in JSON_COLUMNS),
    ("persisted_at", "timestamptz"),
)
LINK = (
    ("chunk_id", "bigint"),
    ("content_type_id", "integer"),
    ("object_id", "text"),
    ("role", "text"),
    ("action", "text"),
    ("changes", "text"),
    ("row_digest", "text"),
)
"""`changes` is JSON as text, as an ObjectRow has it."""
ONCE = "ON CONFLICT (call_id, schema_identity, part) DO NOTHING"
MARK = (
    "UPDATE service_call_record SET domain_persist_state = 'persisted', domain_persist_error = NULL,"
    " domain_persist_attempts = domain_persist_attempts + 1, next_persist_at = NULL, persisted_at = %s, updated_at = %s"
)


CHARGE = (
    ("id", "text"),
    ("attempts", "integer"),
    ("state", "text"),
    ("error", "text"),
    ("next_at", "timestamptz"),
    ("handler", "text"),
    ("fingerprint", "text"),
    ("cause", "text"),
)
"""`attempts` were charged before; `cause` is JSON."""


@dataclass(frozen=True, slots=True)
class Persisted:
    """A result whose handler ran."""

    chunk: PersistedChunk
    rows: list[ObjectRow]


def lock_together(call_ids: Sequence[str]) -> dict[str, tuple[int | None, int]]:
    """Lock the rows of those calls whose results are pending, due and not locked by somebody else, until the
    transaction ends; returns for each of them (the key of its chunk, None where there is a chunk already; how many
    attempts were charged)."""
    opened = "EXISTS (SELECT 1 FROM persisted_chunk WHERE call_id = due.id)"
    now = connection.ops.adapt_datetimefield_value(database_now() + JITTER)
    with cursor_for_many() as cursor:
        if connection.vendor != "postgresql":
            marks = ", ".join(["%s"] * len(call_ids))
            cursor.execute(
                f"SELECT id, {opened}, domain_persist_attempts FROM service_call_record AS due"  # noqa: S608 - constants
                f" WHERE id IN ({marks}) AND {DUE}",
                [*call_ids, now],
            )
            found = cursor.fetchall()
            cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'persisted_chunk'")
            (last,) = cursor.fetchone()  # nobody else can insert meanwhile
            return {
                pk: (None if there else last + n, attempts) for n, (pk, there, attempts) in enumerate(found, start=1)
            }
        cursor.execute(
            f"WITH due AS (SELECT id, domain_persist_attempts FROM service_call_record WHERE id = ANY(%s) AND {DUE}"  # noqa: S608 - constants
            " FOR NO KEY UPDATE SKIP LOCKED)"
            f" SELECT id, {opened}, domain_persist_attempts,"
            " nextval(pg_get_serial_sequence('persisted_chunk', 'id')) FROM due",
            [list(call_ids), now],
        )
        return {pk: (None if there else key, attempts) for pk, there, attempts, key in cursor.fetchall()}


def opened(chunk: PersistedChunk, key: int, connection: BaseDatabaseWrapper) -> PersistedChunk:
    """The chunk under the key that was drawn for it."""
    chunk.pk = key
    chunk._state.adding, chunk._state.db = False, connection.alias
    return chunk


def write_together(done: Sequence[Persisted]) -> None:
    """Insert chunks and links and mark the calls, whose rows are locked; TransitionRefused when one of them is not as
    it was."""
    chunks = [[vars(each.chunk)[name] for name, _ in CHUNK] for each in done]
    links = [[each.chunk.pk, *row] for each in done for row in each.rows]
    calls = [each.chunk.call_id for each in done]
    with cursor_for_many() as cursor:
        if connection.vendor == "postgresql":
            written = _write_at_once(cursor, chunks, links, calls)
        else:
            written = _write_in_turn(cursor, chunks, links, calls)
    if written != (len(done), len(done)):
        raise TransitionRefused(f"Of {len(done)} results {written[0]} could be opened and {written[1]} marked.")


def charge_at_once(rows: Sequence[Sequence[Any]], now: datetime) -> None:
    """Charge failed attempts, one row of CHARGE each, of calls whose rows are locked; PostgreSQL only.
    TransitionRefused when one of them is not as it was."""
    note = f"{INTO} SELECT v_id, v_handler, v_fingerprint, v_cause::jsonb, %s, %s FROM v {AGAIN}"  # noqa: S608 - constants
    with cursor_for_many() as cursor:
        cursor.execute(
            f"WITH v AS (SELECT * FROM {recordset(CHARGE)}), noted AS ({note})"  # noqa: S608 - constants
            " UPDATE service_call_record SET domain_persist_state = v_state, domain_persist_attempts = v_attempts + 1,"
            " domain_persist_error = v_error, next_persist_at = v_next_at, updated_at = %s FROM v"
            f" WHERE id = v_id AND domain_persist_attempts = v_attempts AND {STATE} = 'pending'",
            [_recordset(CHARGE, rows), now, now, now],
        )
        charged = cursor.rowcount
    if charged != len(rows):
        raise TransitionRefused(f"Of {len(rows)} failed attempts {charged} could be charged.")


def _write_at_once(cursor: Any, chunks: list[Any], links: list[Any], calls: list[str]) -> tuple[int, int]:
    now = database_now()
    objects = f"INSERT INTO persisted_object ({_names(LINK)}) SELECT {_values(LINK)} FROM {recordset(LINK)}"  # noqa: S608 - constants
    cursor.execute(
        f"WITH chunks AS (INSERT INTO persisted_chunk ({_names(CHUNK)}) SELECT {_values(CHUNK)} FROM {recordset(CHUNK)}"  # noqa: S608 - constants
        f" {ONCE} RETURNING id), links AS ({objects} ON CONFLICT DO NOTHING),"
        f" marked AS ({MARK} WHERE id = ANY(%s) AND {STATE} = 'pending' RETURNING id)"
        " SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM marked)",
        [_recordset(CHUNK, chunks), _recordset(LINK, links), now, now, calls],
    )
    opened, marked = cursor.fetchone()
    return opened, marked


def _write_in_turn(cursor: Any, chunks: list[Any], links: list[Any], calls: list[str]) -> tuple[int, int]:
    now = connection.ops.adapt_datetimefield_value(database_now())
    names = [name for name, _ in CHUNK]
    rows = [[_adapted(*pair) for pair in zip(names, row, strict=True)] for row in chunks]
    cursor.executemany(f"INSERT INTO persisted_chunk ({_names(CHUNK)}) VALUES ({_marks(CHUNK)}) {ONCE}", rows)  # noqa: S608 - constants
    opened = cursor.rowcount
    insert = f"INSERT INTO persisted_object ({_names(LINK)}) VALUES ({_marks(LINK)}) ON CONFLICT DO NOTHING"  # noqa: S608 - constants
    cursor.executemany(insert, links)
    marks = ", ".join(["%s"] * len(calls))
    cursor.execute(f"{MARK} WHERE id IN ({marks}) AND {STATE} = 'pending'", [now, now, *calls])
    return opened, cursor.rowcount


def _recordset(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> str:
    return as_recordset([name for name, _ in columns], rows)


def _names(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(name for name, _ in columns)


def _values(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"v_{name}::jsonb" if name == "changes" else f"v_{name}" for name, _ in columns)


def _marks(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(["%s"] * len(columns))


def _adapted(name: str, value: Any) -> Any:
    if name in JSON_COLUMNS:
        return None if value is None else connection.ops.adapt_json_value(value, None)
    return connection.ops.adapt_datetimefield_value(value) if name == "persisted_at" else value
