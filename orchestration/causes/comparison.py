"""How what failed differs from what went well lately: sizes and shapes, no content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import F, Q, QuerySet, TextField
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Length

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import Status
from orchestration.values.described import shapes

NEWEST = 50
"""Of what went well; and the window of the newest, in which it is looked for."""
WINDOW = 500


def shapes_of_results(calls: QuerySet[ServiceCallRecord], paths: Iterable[str]) -> dict[str, str]:
    """By path in the structured data of their results (`lines.3.note`): what the values of these calls are like.

    A path through a list counts whatever stands at its number. Paths that no result has are left out.
    """
    wanted = list(dict.fromkeys(paths))
    if not wanted:
        return {}
    places = {f"shape_{number}": _place(path) for number, path in enumerate(wanted)}
    rows: list[Mapping[str, Any]] = list(calls.order_by().annotate(**places).values(*places))
    found = {path: shapes(row[name] for row in rows) for name, path in zip(places, wanted, strict=True)}
    return {path: shape for path, shape in found.items() if shape}


def _place(path: str) -> KeyTransform:
    place: Any = KeyTransform("structured_data", F("result"))
    for key in path.split("."):
        place = KeyTransform(key, place)
    found: KeyTransform = place
    return found


def answered_lately(service_identity: str) -> QuerySet[ServiceCallRecord]:
    """The newest calls of a service that succeeded and whose results are still there."""
    newest = ServiceCallRecord.objects.filter(service_identity=service_identity).order_by("-created_at")
    # Within a window, so that a service whose calls all fail does not have its whole past looked through.
    well = ServiceCallRecord.objects.filter(
        pk__in=newest.values("pk")[:WINDOW], status=Status.SUCCEEDED, result__isnull=False
    )
    return ServiceCallRecord.objects.filter(pk__in=well.order_by("-created_at").values("pk")[:NEWEST])


def answered_sizes(service_identity: str) -> list[int]:
    """Characters of the messages of the newest requests of a service that were answered, the shortest first."""
    return sorted(_sizes(_answered(service_identity)).values())


def size_beside_answered(audit: AIRequestAudit) -> tuple[int, list[int]]:
    """Characters of the messages of a request, and `answered_sizes` of its service; in one query for both."""
    sizes = _sizes(Q(pk=audit.pk) | _answered(audit.service_identity))
    return sizes.pop(audit.pk, 0), sorted(sizes.values())


def _answered(service_identity: str) -> Q:
    # By their keys, because PostgreSQL reads the whole table for "this row, or those of a subquery".
    return Q(call__in=list(answered_lately(service_identity).values_list("pk", flat=True)), outcome=Outcome.ANSWERED)


def _sizes(which: Q) -> dict[int, int]:
    rows = AIRequestAudit.objects.filter(which).order_by()
    return dict(rows.values_list("pk", Length(Cast("messages", TextField()))))
