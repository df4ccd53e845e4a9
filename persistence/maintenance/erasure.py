"""Erasing everything about one person or object, and the report of it.

Content of calls is purged with its audits, summaries, changes and the errors of its parts, whatever its age; what apps
declare as theirs (`persistence/maintenance/retention.py` `add_kind`); and the files of exports that have any of it.
Figures, provenance and the reports stay.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, Q, QuerySet

from orchestration.clock import database_now
from orchestration.content.removal import forget_uses
from orchestration.engine.node import stop_requested
from orchestration.engine.queue.transport import send_task
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from orchestration.models.tool_runs import ToolRun
from orchestration.tasks import beat
from orchestration.values.generic_refs import key_from, key_text
from persistence.conf import persistence_settings
from persistence.errors import ErasureRefused
from persistence.maintenance.retention import KINDS, batches, empty, finished_with, with_content
from persistence.models import PersistedChunk, PersistedObject, PersistedPart
from persistence.models.approval import Decision, Hold
from persistence.models.erasures import Erasure

ERASE_TASK = "persistence.tasks.erase"
LISTED_HELD = 1000
LOST_AFTER = timedelta(minutes=2)
"""An erasure that is not finished by then may have lost its message."""


@dataclass(slots=True, kw_only=True)
class ErasureReport:
    """Rows whose content was, or would be, purged, by kind."""

    dry_run: bool
    rows: dict[str, int] = field(default_factory=dict)
    held: int = 0
    """Calls that are not finished with, and such rows of apps."""
    held_calls: list[str] = field(default_factory=list)
    """The first LISTED_HELD of those calls."""
    finished: bool = True
    """False when the time was used up, or the cluster stops: erase again, to continue."""
    copied: dict[str, set[Any]] = field(default_factory=dict)
    """The keys of what had copies of such content, by the name of the copies; `rows` counts them, too."""

    def add_copies(self, name: str, keys: Iterable[Any]) -> None:
        """Count each once, however many of its rows are erased."""
        known = self.copied.setdefault(name, set())
        known.update(keys)
        if known:
            self.rows[name] = len(known)


@dataclass(frozen=True, slots=True)
class Copies:
    """What was made of the content of rows, and stays readable when the rows are emptied. Both functions get a model,
    and keys of its rows, and return the keys of the copies."""

    found: Callable[[type[Model], Iterable[Any]], Iterable[Any]]
    remove: Callable[[type[Model], Iterable[Any]], Iterable[Any]]


COPIES: dict[str, Copies] = {}


def add_copies(name: str, copies: Copies) -> None:
    """Remove these with the content that they have. Call it from AppConfig.ready."""
    COPIES[name] = copies


def erase_subject(subject: Model, *, dry_run: bool = True, seconds: float = math.inf) -> ErasureReport:
    """Purge the content of every call about an object, or asked for by a user, and what apps keep about it.

    Calls that are not finished with, and such rows of apps, are counted as `held`: cancel or persist them, or wait for
    their end, then erase again. Begins no batch after `seconds`.
    """
    deadline, report = time.monotonic() + seconds, ErasureReport(dry_run=dry_run)
    mine = ServiceCallRecord.objects.filter(_about(subject))
    held = mine.exclude(finished_with())
    report.held = held.count()
    report.held_calls = list(held.order_by("pk").values_list("pk", flat=True)[:LISTED_HELD])
    if isinstance(subject, get_user_model()) and not dry_run:
        with transaction.atomic():
            forget_uses("uploaded_by", [subject.pk])
    for some in batches(mine.filter(finished_with()).order_by("pk")):
        for name, rows in _rows_of(some).items():
            _erase(name, rows, report)
        if _is_over(deadline, report):
            return report
    for name in KINDS:
        if not _erase_kind(name, subject, report, deadline):
            break
    return report


def _erase_kind(name: str, subject: Model, report: ErasureReport, deadline: float) -> bool:
    """The rows of one kind that are about the subject; False when the time is used up."""
    kind = KINDS[name]
    found = kind.about(subject)
    if found is None:
        return True
    rows = kind.model._base_manager.filter(found)
    ready = rows.filter(kind.ready(database_now()))
    report.held += rows.count() - ready.count()
    for keys in batches(ready.order_by("pk")):
        _erase(name, kind.model._base_manager.filter(pk__in=keys), report)
        if _is_over(deadline, report):
            return False
    return True


def _is_over(deadline: float, report: ErasureReport) -> bool:
    if not report.dry_run:
        beat()
    report.finished = time.monotonic() < deadline and (report.dry_run or not stop_requested())
    return not report.finished


def _erase(name: str, rows: QuerySet[Any], report: ErasureReport) -> None:
    """Purge some rows, or count them. Copies may have what the rows have no longer: all rows are asked about."""
    keys = list(rows.values_list("pk", flat=True))
    _copies_of(rows.model, keys, report)  # nobody finds the copies of rows that are deleted
    purged = with_content(name, rows).count() if report.dry_run else empty(name, keys)
    report.rows[name] = report.rows.get(name, 0) + purged
    if not report.dry_run:
        _copies_of(rows.model, keys, report)  # those that were made meanwhile


def _copies_of(model: type[Model], keys: list[Any], report: ErasureReport) -> None:
    for name, copies in COPIES.items():
        report.add_copies(name, (copies.found if report.dry_run else copies.remove)(model, keys))


def _about(subject: Model) -> Q:
    kind = ContentType.objects.get_for_model(subject)
    about = Q(related_content_type=kind, related_object_id=key_text(type(subject), subject.pk))
    return about | Q(requested_by=subject) if isinstance(subject, get_user_model()) else about


def _rows_of(call_ids: Iterable[str]) -> dict[str, QuerySet[Any]]:
    ids = list(call_ids)
    return {
        "calls": ServiceCallRecord._base_manager.filter(pk__in=ids),
        "requests": AIRequestAudit._base_manager.filter(call_id__in=ids),
        "responses": AIResponseAudit._base_manager.filter(call_id__in=ids),
        "tools": ToolRun._base_manager.filter(call_id__in=ids),
        "streams": StreamChunk._base_manager.filter(call_id__in=ids),
        "summaries": PersistedChunk._base_manager.filter(call_id__in=ids),
        "parts": PersistedPart._base_manager.filter(call_id__in=ids),
        "changes": PersistedObject._base_manager.filter(chunk__call_id__in=ids),
        "holds": Hold._base_manager.filter(call_id__in=ids),
        "decisions": Decision._base_manager.filter(hold__call_id__in=ids),
    }


# --- with a report ----------------------------------------------------------------------------


def subject_of(text: str) -> Model:
    """The object that `app.model:id` names; ErasureRefused says why there is none."""
    label, _, key = text.strip().partition(":")
    try:
        model = apps.get_model(label)
        found: Model | None = model._base_manager.filter(pk=key_from(model, key)).first()
    except (LookupError, ValueError, ValidationError):
        raise ErasureRefused(f"A subject is written APP.MODEL:ID (accounts.user:7), not {text[:80]!r}.") from None
    if found is None:
        raise ErasureRefused(f"There is no {label} {key[:40]}.")
    return found


def begin(subject: Model, *, by: Any = None, reason: str = "") -> Erasure:
    """Note that a subject is to be erased, and let a worker do it when that commits."""
    erasure = note(subject, by=by, reason=reason)
    transaction.on_commit(lambda: _send(erasure), robust=True)
    return erasure


def note(subject: Model, *, by: Any = None, reason: str = "") -> Erasure:
    """The report of an erasure that has not begun."""
    return Erasure.objects.create(
        subject_type=ContentType.objects.get_for_model(subject),
        subject_id=key_text(type(subject), subject.pk),
        requested_by=by,
        reason=reason,
    )


def go_on(erasure: Erasure, *, seconds: float = math.inf) -> ErasureReport:
    """Erase for at most so long, and add to the report what was done. A subject that is gone leaves nothing to do but
    what its calls still have: those are found by its key."""
    report = erase_subject(_subject(erasure), dry_run=False, seconds=seconds)
    with transaction.atomic():
        noted = Erasure.objects.select_for_update().get(pk=erasure.pk)
        for name, count in report.rows.items():
            noted.rows[name] = noted.rows.get(name, 0) + count
        noted.held, noted.held_count = report.held_calls, report.held
        noted.finished_at = database_now() if report.finished else None
        noted.save()
    if not report.finished:
        _send(erasure)
    return report


def _subject(erasure: Erasure) -> Model:
    """The object, or, when it is gone, one with its key that is not stored."""
    model = erasure.subject_type.model_class() if erasure.subject_type else None
    if model is None:
        raise ErasureRefused(f"What erasure {erasure.pk} is about no longer exists as a kind of object.")
    key = key_from(model, erasure.subject_id)
    return model._base_manager.filter(pk=key).first() or model(pk=key)


def _send(erasure: Erasure) -> None:
    send_task(ERASE_TASK, erasure.pk, queue=persistence_settings().DOMAIN_PERSIST_QUEUE)


def wake_unfinished() -> None:
    """On every tick: ask again for what no worker has finished, its message may be lost."""
    waiting = Erasure.objects.filter(finished_at=None, created_at__lt=database_now() - LOST_AFTER)
    for erasure in waiting:
        _send(erasure)
