"""Kinds of calls, which pauses, limits and circuits apply to. A queue of 100,000 calls has only a few of them."""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection

from orchestration.routes import Route

QUEUED_KINDS = """
    WITH RECURSIVE kind AS (
        SELECT service_identity, client, model_requested FROM service_call_record WHERE id = (
            SELECT id FROM service_call_record WHERE status = 'queued'
            ORDER BY service_identity, client, model_requested LIMIT 1
        )
        UNION ALL
        SELECT next.service_identity, next.client, next.model_requested
        FROM kind JOIN service_call_record AS next ON next.id = COALESCE(
            (SELECT id FROM service_call_record WHERE status = 'queued' AND service_identity = kind.service_identity
                AND client = kind.client AND model_requested > kind.model_requested
                ORDER BY service_identity, client, model_requested LIMIT 1),
            (SELECT id FROM service_call_record WHERE status = 'queued' AND service_identity = kind.service_identity
                AND client > kind.client
                ORDER BY service_identity, client, model_requested LIMIT 1),
            (SELECT id FROM service_call_record WHERE status = 'queued' AND service_identity > kind.service_identity
                ORDER BY service_identity, client, model_requested LIMIT 1)
        )
    )
    SELECT service_identity, client, model_requested FROM kind
"""
"""From kind to kind through the index `call_due_of_kind`: as many steps as there are kinds, however many calls. SQLite
would seek by the first column alone if the three were compared as one row."""


class CallKind(NamedTuple):
    """A service, and where its calls go."""

    service_identity: str
    client: str
    model: str

    @property
    def route(self) -> Route:
        return Route(self.client, self.model)


def queued_kinds() -> list[CallKind]:
    """The kinds of all queued calls, planned ones included."""
    with connection.cursor() as cursor:
        cursor.execute(QUEUED_KINDS)
        return [CallKind(*row) for row in cursor.fetchall()]
