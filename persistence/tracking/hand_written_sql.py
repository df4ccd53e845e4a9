"""What a statement writes that no compiler of Django's made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

WRITE = re.compile(
    r"(?:^|[;()]|\*/|--[^\n]*\n)\s*"
    r"(INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE|MERGE\s+INTO"
    r"|(?:ALTER|DROP)\s+TABLE|COPY|CALL|DO(?!\s+(?:NOTHING|UPDATE)\b))"
    r"\s+(?:(?:TABLE|ONLY|IF\s+EXISTS)\s+)*(?:\"?\w+\"?\.)?\"?([\w$]+)",
    re.IGNORECASE,
)
"""Where a statement, or one that stands in another, begins to write, and to which table."""


def writes(sql: Any, context: Any) -> Iterator[tuple[str, str]]:
    """What a statement writes, as verb and table. Drivers take bytes, and psycopg what it composes, too."""
    if hasattr(sql, "as_string"):
        sql = sql.as_string(context["connection"].connection)
    text = sql.decode(errors="replace") if isinstance(sql, bytes) else str(sql)
    for verb, table in WRITE.findall(text):
        yield verb.split()[0].upper(), table
