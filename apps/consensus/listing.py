"""Pages of runs: newest first, each page one query, however far one turns them."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from django.utils.timezone import is_naive

from apps.consensus.models import Run
from apps.consensus.models.runs import RunQuerySet
from apps.consensus.schemas import RunFilter
from orchestration.api_errors import ApiError

LOOKUPS = {
    "status": "status",
    "run_type": "run_type",
    "parent_run_id": "parent_run_id",
    "decision": "decision_label",
    "min_confidence": "overall_weighted_confidence__gte",
    "start_date": "created_at__gte",
    "end_date": "created_at__lt",
}


def refuse_unknown_filters(request: HttpRequest) -> None:
    """ApiError 422: a mistyped filter must not list everything."""
    unknown = sorted(set(request.GET) - set(RunFilter.model_fields))
    if unknown:
        raise ApiError(
            422,
            "unknown_filter",
            "There is no such filter; see details.",
            {"unknown": [name[:64] for name in unknown[:10]], "filters": sorted(RunFilter.model_fields)},
        )


def page_of(rows: RunQuerySet, wanted: RunFilter) -> tuple[list[Run], str | None]:
    """The runs of a page and the cursor of the next one."""
    given = wanted.model_dump(exclude_none=True)
    rows = rows.filter(**{lookup: given[name] for name, lookup in LOOKUPS.items() if name in given})
    if wanted.cursor is not None:
        rows = rows.older_than(*read_cursor(wanted.cursor))
    page = list(rows.select_related("prompt_set").order_by("-created_at", "-id")[: wanted.limit + 1])
    if len(page) <= wanted.limit:
        return page, None
    return page[: wanted.limit], write_cursor(page[wanted.limit - 1])


def write_cursor(run: Run) -> str:
    """Opaque to callers: where the page ended."""
    return base64.urlsafe_b64encode(f"{run.created_at.isoformat()} {run.pk}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[datetime, UUID]:
    """ApiError 422 for what is no cursor."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        moment, _, key = decoded.partition(" ")
        created_at, run_id = datetime.fromisoformat(moment), UUID(key)
    except (ValueError, binascii.Error) as error:
        raise _bad_cursor() from error
    if is_naive(created_at):
        raise _bad_cursor()
    return created_at, run_id


def _bad_cursor() -> ApiError:
    return ApiError(422, "invalid_cursor", "This is no cursor of a page; start again without it.")
