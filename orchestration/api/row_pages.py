"""Pages of rows whose cursor is a plain key: `after` names the last row of the page before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from orchestration.api.errors import ApiError

Row = TypeVar("Row", bound=Model)


def page_shown(
    rows: QuerySet[Row], limit: int, show: Callable[[Row], dict[str, Any]], cursor: Callable[[Row], Any]
) -> dict[str, Any]:
    """The first `limit` of ordered rows as `{items, next}`; `next` is None on the last page. One query."""
    page = list(rows[: limit + 1])
    return {
        "items": [show(row) for row in page[:limit]],
        "next": cursor(page[limit - 1]) if len(page) > limit else None,
    }


def older_than(rows: QuerySet[Row], after: UUID | None, unknown: str) -> QuerySet[Row]:
    """The rows older than the one with this `uuid`; ApiError 422 with the message `unknown` when it is not among them.

    All of them without `after`.
    """
    if after is None:
        return rows
    cursor = rows.filter(uuid=after).values_list("pk", flat=True).first()
    if cursor is None:
        raise ApiError(422, "unknown_cursor", unknown)
    return rows.filter(pk__lt=cursor)
