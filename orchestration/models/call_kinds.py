"""Kinds of calls, which pauses, limits and circuits apply to. A queue of 100,000 calls has only a few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

from orchestration.routes import Route


def _enumeration(columns: Sequence[str], condition: str) -> str:
    """The values of these columns among queued calls, from one to the next through the index that begins with them: as
    many steps as there are values, however many calls. SQLite would seek by the first column alone if the columns were
    compared as one row."""
    listed = ", ".join(columns)
    rows = f"SELECT id FROM service_call_record WHERE status = 'queued'{condition}"  # noqa: S608 - constants

    def after(number: int) -> str:
        same = "".join(f" AND {name} = kind.{name}" for name in columns[:number])
        return f"({rows}{same} AND {columns[number]} > kind.{columns[number]} ORDER BY {listed} LIMIT 1)"

    following = ", ".join(after(number) for number in reversed(range(len(columns))))
    return f"""
        WITH RECURSIVE kind AS (
            SELECT {listed} FROM service_call_record WHERE id = ({rows} ORDER BY {listed} LIMIT 1)
            UNION ALL
            SELECT {", ".join(f"next.{name}" for name in columns)}
            FROM kind JOIN service_call_record AS next ON next.id = COALESCE({following})
        )
        SELECT {listed} FROM kind
    """  # noqa: S608 - constants


KIND = ("service_identity", "client", "model_requested")
QUEUED_KINDS = _enumeration(KIND, "")
"""Through `call_due_of_kind`."""
KINDS_WITH_ROUTES = _enumeration((*KIND, "routes_left"), " AND routes_left IS NOT NULL")
"""Through `call_due_with_routes`."""


class CallKind(NamedTuple):
    """A service, and where its calls go."""

    service_identity: str
    client: str
    model: str

    @property
    def route(self) -> Route:
        return Route(self.client, self.model)


class KindWithRoutes(NamedTuple):
    """A kind of calls that have several routes, and which of them these calls may still ask."""

    service_identity: str
    client: str
    model: str
    routes_left: int

    @property
    def kind(self) -> CallKind:
        return CallKind(self.service_identity, self.client, self.model)


def queued_kinds() -> list[CallKind]:
    """The kinds of all queued calls, planned ones included."""
    return [CallKind(*row) for row in _rows(QUEUED_KINDS)]


def kinds_with_routes() -> list[KindWithRoutes]:
    """Those of queued calls with several routes."""
    return [KindWithRoutes(*row) for row in _rows(KINDS_WITH_ROUTES)]


def _rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: list[Any] = cursor.fetchall()
    return found
