"""What a database holds: of each table the number of its rows and a digest of a sample of them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

SAMPLED_ROWS = 20_000
"""Of a table with more rows, about as many are in its digest; of the others all are."""
PARTS = 65_536
"""A table is sampled by the first two bytes of a hash of its keys."""


@dataclass(frozen=True, slots=True)
class Table:
    """Two of them are equal when their tables are, but for what the sample left out."""

    rows: int
    digest: str
    """16 hex digits, whatever the order of the rows."""


def contents(connection: BaseDatabaseWrapper) -> dict[str, Table]:
    """Every table of a database, by name."""
    look = _of_postgres if connection.vendor == "postgresql" else _of_sqlite
    with connection.cursor() as cursor:
        names = sorted(connection.introspection.table_names(cursor))
        keys = {name: connection.introspection.get_primary_key_columns(cursor, name) or [] for name in names}
        if connection.vendor == "postgresql":
            # The text of a value depends on these; a session of another kind would have other digests.
            cursor.execute("SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false)")
            cursor.execute("SELECT set_config('extra_float_digits', '1', false)")
        return {name: look(cursor, connection.ops.quote_name, name, keys[name]) for name in names}


def as_json(tables: dict[str, Table]) -> dict[str, Any]:
    return {name: asdict(table) for name, table in tables.items()}


def from_json(stored: dict[str, Any]) -> dict[str, Table]:
    return {name: Table(**table) for name, table in stored.items()}


def differences(wanted: dict[str, Table], found: dict[str, Table]) -> list[str]:
    """What is not equal, a sentence for each table."""
    said: list[str] = []
    for name in sorted(wanted.keys() | found.keys()):
        before, after = wanted.get(name), found.get(name)
        if before is None or after is None:
            said.append(f"the table {name} is {'not in the backup' if before is None else 'missing'}")
        elif before.rows != after.rows:
            said.append(f"{name} has {after.rows} rows, not {before.rows}")
        elif before.digest != after.digest:
            said.append(f"{name} has {after.rows} rows, whose contents differ")
    return said


def _share(rows: int) -> int:
    """Of PARTS, how many are in the sample."""
    return PARTS if rows <= SAMPLED_ROWS else max(1, PARTS * SAMPLED_ROWS // rows)


def _of_postgres(cursor: Any, quoted: Any, name: str, keys: list[str]) -> Table:
    table = quoted(name)
    cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - quoted
    (rows,) = cursor.fetchone()
    key = f"ROW({', '.join(f't.{quoted(column)}' for column in keys)})::text" if keys else "t::text"
    cursor.execute(
        "SELECT coalesce(bit_xor(('x' || left(md5(t::text), 16))::bit(64)::bigint), 0)"  # noqa: S608 - quoted
        f" FROM {table} t WHERE ('x' || left(md5({key}), 4))::bit(16)::int < %s",
        [_share(rows)],
    )
    (mixed,) = cursor.fetchone()
    return Table(rows, f"{mixed & 0xFFFF_FFFF_FFFF_FFFF:016x}")


def _of_sqlite(cursor: Any, quoted: Any, name: str, keys: list[str]) -> Table:
    cursor.execute(f"SELECT count(*) FROM {quoted(name)}")  # noqa: S608 - quoted
    (rows,) = cursor.fetchone()
    share, mixed = _share(rows), 0
    ordered = [f"quote({quoted(column)})" for column in _columns(cursor, name)]
    key = " || ',' || ".join(f"quote({quoted(column)})" for column in keys) or " || ',' || ".join(ordered)
    cursor.execute(f"SELECT {key}, {', '.join(ordered)} FROM {quoted(name)}")  # noqa: S608 - quoted
    while some := cursor.fetchmany(2_000):
        for row_key, *values in some:
            if int.from_bytes(_hash([row_key])[:2]) < share:
                mixed ^= int.from_bytes(_hash(values)[:8])
    return Table(rows, f"{mixed:016x}")


def _columns(cursor: Any, table: str) -> list[str]:
    cursor.execute("SELECT name FROM pragma_table_info(%s) ORDER BY cid", [table])
    return [name for (name,) in cursor.fetchall()]


def _hash(values: list[str]) -> bytes:
    """Of texts as SQL literals, which say the type of each value, too."""
    return hashlib.sha256("\x1f".join(values).encode("utf-8", "surrogatepass")).digest()
