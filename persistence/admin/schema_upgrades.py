"""The page of schemas and handlers: which code persisted what, and whether stored results still fit their schema."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from orchestration.admin.failure_display import add_page
from orchestration.causes.known import Place
from orchestration.components.registry import schemas
from persistence.admin.base import VIEW_CALLS, page, render, require
from persistence.handlers.schema_upgrades import handler_versions, schema_coverage

NEWEST_CHUNKS = 50_000
NEWEST_RESULTS = 500

add_page(Place.SCHEMAS, "Schemas and handlers", "persistence_upgrades", VIEW_CALLS)


@page("upgrades/", "upgrades")
def upgrade_report(request: HttpRequest) -> HttpResponse:
    """Which code persisted what of late; and, for a schema that is asked for, whether its newest results still fit."""
    require(request, VIEW_CALLS)
    wanted = request.GET.get("schema", "")
    schema: Any = schemas.try_get(wanted) if wanted in {str(identity) for identity in schemas.all()} else None
    coverage = schema_coverage(schema, newest=NEWEST_RESULTS) if schema else None
    return render(
        request,
        "upgrades.html",
        "Schemas and handlers",
        handlers=handler_versions(newest=NEWEST_CHUNKS),
        newest_chunks=NEWEST_CHUNKS,
        newest_results=NEWEST_RESULTS,
        schemas=[str(identity) for identity in schemas.all()],
        wanted=wanted,
        coverage=coverage,
        reasons=coverage.reasons.most_common() if coverage else [],
    )
