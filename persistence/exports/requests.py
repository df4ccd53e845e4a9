"""Requesting an export: the list is frozen, and what the format cannot hold is refused at once."""

from __future__ import annotations

import io
from typing import Any

from django.db import transaction
from django.db.models import Max, Min, QuerySet

from orchestration.types import JsonObject
from persistence.bulk.runs import freeze_rows
from persistence.exports.formats import asked_for
from persistence.models import BulkRun
from persistence.models.bulk import EXPORT

SAMPLED_ROWS = 100


def freeze_export(rows: QuerySet[Any], options: JsonObject, *, asked: JsonObject, requested_by: Any = None) -> BulkRun:
    """The draft of an export; `options` are `{"exporter", "format", "content"}`, `asked` says what was asked for.

    BulkRefused for more rows than one run takes, or more than one file of the format can be put together of; nothing
    stays then.
    """
    _, form = asked_for(options)
    columns = [field.column_name for field in form.columns]  # an upgrade while it runs must not change its parts
    with transaction.atomic():
        run = freeze_rows(
            EXPORT,
            rows.order_by("pk"),
            options={**options, "columns": columns},
            asked=asked,
            requested_by=requested_by,
        )
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
    rows, _ = exporter.read(keys, content=bool(run.options.get("content")))
    written = form.write_part(part, rows)
    return len(part.getvalue().encode()) * run.total // max(1, len(written.keys))
