"""Which runs a list over REST shows."""

from __future__ import annotations

from apps.consensus.api.response_schemas import RunFilter
from apps.consensus.models.runs import RunQuerySet

LOOKUPS = {
    "status": "status",
    "run_type": "run_type",
    "parent_run_id": "parent_run_id",
    "decision": "decision_label",
    "min_confidence": "overall_weighted_confidence__gte",
    "start_date": "created_at__gte",
    "end_date": "created_at__lt",
}


def filtered(rows: RunQuerySet, wanted: RunFilter) -> RunQuerySet:
    """The runs that match every filter that was given."""
    given = wanted.model_dump(exclude_none=True)
    rows = rows.filter(**{lookup: given[name] for name, lookup in LOOKUPS.items() if name in given})
    return rows.select_related("prompt_set")
