"""What hand-written SQL writes: statements that none of Django's compilers made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

WRITE = re.compile(
    r"(?:^|[;()]|\*/|--[^\n]*\n)\s*"
    r"(INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE|MERGE\s+INTO"
    r"|(?:ALTER|DROP)\s+TABLE|COPY|CALL|DO(?!\s+(?:NOTHING|UPDATE)\b))"
    r"\s+(?:(?:TABLE|ONLY|IF\s+EXISTS)\s+)*(?:\"?\w+\"?\.)?\"?([\w$]+)",
    re.IGNORECASE,
)
"""Where a statement, or one that stands in another, begins to write, and to which table."""


@runtime_checkable
class Composed(Protocol):
    """A statement that psycopg has composed."""

    def as_string(self, context: Any) -> str: ...


def text_of(sql: Any, context: Any) -> str:
    """A statement as text; `context` is that of an execute wrapper. Drivers take bytes, psycopg what it composes."""
    if isinstance(sql, str):  # nearly always, and looking for a protocol takes longer than all the rest
        return sql
    if isinstance(sql, Composed):
        return sql.as_string(context["connection"].connection)
    return sql.decode(errors="replace") if isinstance(sql, bytes) else str(sql)


def writes(sql: Any, context: Any) -> Iterator[tuple[str, str]]:
    """What a statement writes, as verb and table."""
    for verb, table in WRITE.findall(text_of(sql, context)):
        yield verb.split()[0].upper(), table
