"""The order of the queue: by priority, and a call that waits grows more urgent.

Each AGING_SECONDS of waiting count as one step of priority. As all calls age alike, comparing `priority + waited /
AGING_SECONDS` of two calls gives the same result at any time; so the order is a constant of each row, its virtual due
time `due_at - priority * AGING_SECONDS`, and an index holds it. A call of priority p is overtaken by calls of a higher
priority q only while they become due within (q - p) * AGING_SECONDS after it.
"""

from __future__ import annotations

from typing import Any

from django.db.models import FloatField, Func
from django.db.models.sql.compiler import SQLCompiler

AGING_SECONDS = 60
"""Part of the index `call_due`: changing it is a migration."""


class VirtualDueTime(Func):
    """`VirtualDueTime("due_at", "priority")`: seconds since 1970, lower is sooner; one text in index and query."""

    arity = 2
    output_field = FloatField()

    def as_sql(  # type: ignore[override]  # no function name, no template
        self, compiler: SQLCompiler, connection: Any, **_: Any
    ) -> tuple[str, Any]:
        due, priority, parameters = self._parts(compiler)
        return f"(date_part('epoch', {due} AT TIME ZONE 'UTC') - {priority} * {AGING_SECONDS})", parameters

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **_: Any) -> tuple[str, Any]:
        due, priority, parameters = self._parts(compiler)
        return f"((julianday({due}) - 2440587.5) * 86400.0 - {priority} * {AGING_SECONDS})", parameters

    def _parts(self, compiler: SQLCompiler) -> tuple[str, str, list[Any]]:
        due, priority = (compiler.compile(source) for source in self.get_source_expressions())
        return due[0], priority[0], [*due[1], *priority[1]]


URGENCY = (VirtualDueTime("due_at", "priority"), "due_at", "id")
"""To order by, lower is sooner."""
