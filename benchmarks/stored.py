"""Many stored results at once: one is made by the code, the others are copies of its rows, made by the database."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import GeneratedField, Model

from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord


def copies(record: ServiceCallRecord, count: int, **columns: str) -> None:
    """`count` copies of a call, with ids that sort after its own, which their results name, too; `columns` are SQL for
    other values, `n` counts."""
    key = _copied(record)
    result = f"result || jsonb_build_object('call_id', {key})"
    _copy(ServiceCallRecord, count, f"id = '{record.pk}'", {"id": key, "result": result, **columns})


def copies_of_audits(record: ServiceCallRecord, count: int, moment: str) -> None:
    """The audits of a call, for each of its `copies`, at a moment in SQL."""
    request = AIRequestAudit.objects.get(call=record)
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('ai_request_audit', 'id'))")
        first = cursor.fetchone()[0] + 1
        cursor.execute("SELECT setval(pg_get_serial_sequence('ai_request_audit', 'id'), %s)", [first + count])
    other = {"id": f"{first} + n", "call_id": _copied(record), "dispatched_at": moment}
    _copy(AIRequestAudit, count, f"id = {request.pk}", other)
    other = {"id": "nextval(pg_get_serial_sequence('ai_response_audit', 'id'))", "call_id": _copied(record)}
    other |= {"ai_request_id": f"{first} + n", "received_at": moment}
    _copy(AIResponseAudit, count, f"ai_request_id = {request.pk}", other)


def _copied(record: ServiceCallRecord) -> str:
    return f"'{record.pk[:20]}' || lpad(n::text, 12, '0')"


def _copy(model: type[Model], count: int, where: str, other: dict[str, str]) -> None:
    fields: list[Any] = [field for field in model._meta.local_concrete_fields if not isinstance(field, GeneratedField)]
    names = [field.column for field in fields]
    values = ", ".join(other.get(name, f'"{name}"') for name in names)
    quoted, table = ", ".join(f'"{name}"' for name in names), model._meta.db_table
    numbers = f"generate_series(1, {count}) AS n"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table}, {numbers} WHERE {where}")  # noqa: S608
        cursor.execute(f"ANALYZE {table}")
