"""Forgetting: content is purged after a time, by kind; metrics, provenance and idempotency rows stay.

Works in small batches, each a transaction of its own over rows found by primary key, so that no lock is held long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from orchestration.engine.faultpoints import fault
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.calls import TERMINAL, PersistState
from persistence.conf import persistence_settings
from persistence.models import PersistedChunk, PersistedObject, PersistedPart

BATCH = 500

CONTENT: dict[str, tuple[type[Model], dict[str, Any]]] = {
    "calls": (ServiceCallRecord, {"input": {}, "context": {}, "service_kwargs": {}, "result": None, "error": None}),
    "requests": (AIRequestAudit, {"messages": [], "tools": [], "response_schema": None, "prompt_meta": {}}),
    "responses": (
        AIResponseAudit,
        {"raw": None, "outputs": [], "structured_data": None, "tool_calls": [], "error": "", "execution_metadata": {}},
    ),
    "summaries": (PersistedChunk, {"summary": None}),
    "changes": (PersistedObject, {"changes": None}),
}
"""The columns that hold content, by kind, and what stands there afterwards."""


@dataclass(slots=True, kw_only=True)
class PruneReport:
    """Rows whose content was, or would be, purged, by kind; `held` are calls that are not finished with."""

    dry_run: bool
    rows: dict[str, int] = field(default_factory=dict)
    held: int = 0


def prune(*, days: dict[str, int] | None = None, dry_run: bool = True, now: datetime | None = None) -> PruneReport:
    """Purge content that is older than the days of its kind (DOMAIN_PERSIST_RETENTION_DAYS where not given).

    A kind without days is kept. Calls that run, wait, or whose result is pending or dead are left alone.
    """
    moment = now or timezone.now()
    report = PruneReport(dry_run=dry_run)
    ages: Mapping[Any, int] = persistence_settings().DOMAIN_PERSIST_RETENTION_DAYS if days is None else days
    for kind, age in ages.items():
        rows = _older(kind, moment - timedelta(days=age))
        report.rows[kind] = _purge(kind, rows, dry_run=dry_run)
    return report


def _older(kind: str, moment: datetime) -> QuerySet[Any]:
    model, _ = CONTENT[kind]
    rows = model._base_manager.all()
    if kind == "calls":
        return rows.filter(_finished_with(), finished_at__lt=moment)
    if kind == "requests":
        return rows.filter(~Q(outcome="pending"), dispatched_at__lt=moment).filter(_call_is_done())
    if kind == "responses":
        return rows.filter(received_at__lt=moment).filter(_call_is_done())
    return rows.filter(**{"persisted_at__lt" if kind == "summaries" else "chunk__persisted_at__lt": moment})


def _finished_with(prefix: str = "") -> Q:
    return Q(**{f"{prefix}status__in": TERMINAL}) & ~Q(
        **{f"{prefix}domain_persist_state__in": [PersistState.PENDING, PersistState.DEAD]}
    )


def _call_is_done() -> Q:
    """An answer that is not judged yet is still needed: it was paid for."""
    return Q(call__isnull=True) | Q(call__status__in=TERMINAL)


def _purge(kind: str, rows: QuerySet[Any], *, dry_run: bool) -> int:
    """Empty the content columns of rows that still have content."""
    _, empty = CONTENT[kind]
    full = Q()
    for name, value in empty.items():
        full |= Q(**{f"{name}__isnull": False}) if value is None else ~Q(**{name: value})
    wanted = rows.filter(full).order_by("pk")
    if dry_run:
        return wanted.count()
    model, done = CONTENT[kind][0], 0
    for some in _batches(wanted):
        found = model._base_manager.filter(pk__in=some)
        done += QuerySet.update(found, **empty)  # audits are append-only everywhere but here
        fault("in_prune")
    return done


def _batches(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    last: Any = None
    while some := list((rows if last is None else rows.filter(pk__gt=last)).values_list("pk", flat=True)[:BATCH]):
        last = some[-1]
        yield some


# --- erasing a subject ----------------------------------------------------------------------


def erase_subject(subject: Model, *, dry_run: bool = True) -> PruneReport:
    """Purge the content of every call about an object, or asked for by a user, whatever its age; with its audits,
    summaries, changes and the errors of its parts. Domain rows are the domain's to erase.

    Calls that are not finished with are counted as `held`: cancel or persist them, then erase again.
    """
    about = _about(subject)
    report = PruneReport(
        dry_run=dry_run, held=ServiceCallRecord.objects.filter(about).exclude(_finished_with()).count()
    )
    calls = ServiceCallRecord.objects.filter(about).filter(_finished_with())
    for some in _batches(calls.order_by("pk")):
        for kind, rows in _rows_of(some).items():
            report.rows[kind] = report.rows.get(kind, 0) + _purge(kind, rows, dry_run=dry_run)
        if not dry_run:
            PersistedPart.objects.filter(call_id__in=some).update(error="")
    return report


def _about(subject: Model) -> Q:
    kind = ContentType.objects.get_for_model(subject)
    about = Q(related_content_type=kind, related_object_id=str(subject.pk))
    return about | Q(requested_by=subject) if isinstance(subject, get_user_model()) else about


def _rows_of(call_ids: Iterable[str]) -> dict[str, QuerySet[Any]]:
    ids = list(call_ids)
    return {
        "calls": ServiceCallRecord._base_manager.filter(pk__in=ids),
        "requests": AIRequestAudit._base_manager.filter(call_id__in=ids),
        "responses": AIResponseAudit._base_manager.filter(call_id__in=ids),
        "summaries": PersistedChunk._base_manager.filter(call_id__in=ids),
        "changes": PersistedObject._base_manager.filter(chunk__call_id__in=ids),
    }
