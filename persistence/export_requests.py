"""Asking for an export: the list is frozen, and what the format cannot hold is refused before anything is written."""

from __future__ import annotations

import io
from typing import Any

from django.db import transaction
from django.db.models import Max, Min, QuerySet

from orchestration.types import JsonObject
from persistence.bulk import freeze_rows
from persistence.export_formats import asked_for
from persistence.models import BulkKind, BulkRun

SAMPLED_ROWS = 100


def freeze_export(rows: QuerySet[Any], options: JsonObject, *, told: JsonObject, requested_by: Any = None) -> BulkRun:
    """The draft of an export; `options` are `{"exporter", "format", "content"}`, `told` says what was asked for.

    BulkRefused for more rows than one run takes, or more than one file of the format can be put together of; nothing
    stays then.
    """
    with transaction.atomic():
        run = freeze_rows(BulkKind.EXPORT, rows.order_by("pk"), options=options, told=told, requested_by=requested_by)
        _, form = asked_for(options)
        if form.max_bytes is not None:
            form.refuse_beyond(estimated_bytes(run), run.total)
    return run


def estimated_bytes(run: BulkRun) -> int:
    """Of all parts of an export, by what a hundred rows take that stand at even distances in its list."""
    if not run.total:
        return 0
    exporter, form = asked_for(run.options)
    ends = run.items.aggregate(first=Min("pk"), last=Max("pk"))
    spread = [ends["first"] + n * (ends["last"] - ends["first"]) // (SAMPLED_ROWS - 1) for n in range(SAMPLED_ROWS)]
    keys = list(run.items.filter(pk__in=spread).values_list("call_id", flat=True))
    part = io.StringIO()
    written = form.write_part(part, exporter.rows(content=bool(run.options.get("content"))).filter(pk__in=keys))
    return len(part.getvalue().encode()) * run.total // max(1, len(written))
