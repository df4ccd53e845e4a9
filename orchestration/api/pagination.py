"""Pages of a list, newest first, that cost the same however far one turns them."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from orchestration.api.errors import ApiError
from orchestration.values.generic_refs import key_of
from orchestration.values.moments import read_stored

Row = TypeVar("Row", bound=Model)


def newest_first(rows: QuerySet[Row], *, cursor: str | None, limit: int) -> tuple[list[Row], str | None]:
    """A page of rows that have `created_at`, and the cursor of the next one. One query, nothing counted."""
    if cursor is not None:
        rows = _older_than(rows, *read_cursor(rows.model, cursor))
    page = list(rows.order_by("-created_at", "-pk")[: limit + 1])
    if len(page) <= limit:
        return page, None
    return page[:limit], write_cursor(page[limit - 1])


def _older_than(rows: QuerySet[Row], created_at: datetime, key: Any) -> QuerySet[Row]:
    """What follows a row in this order; the last condition lets an index seek."""
    later = Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=key)
    return rows.filter(later, created_at__lte=created_at)


def write_cursor(row: Any) -> str:
    """Opaque to callers: where the page ended."""
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()} {row.pk}".encode()).decode().rstrip("=")


def read_cursor(model: type[Model], text: str) -> tuple[datetime, Any]:
    """ApiError 422 for what is not a valid cursor."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        moment, _, key_text = decoded.partition(" ")
        created_at = read_stored(moment)
    except (ValueError, binascii.Error) as error:
        raise _bad_cursor() from error
    key = key_of(model, key_text)
    if key is None:
        raise _bad_cursor()
    return created_at, key


def _bad_cursor() -> ApiError:
    return ApiError(422, "invalid_cursor", "This is not a valid cursor of this list; start again without it.")
