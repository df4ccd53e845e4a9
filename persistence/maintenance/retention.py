"""Retention: content is purged after a time, by kind; metrics, provenance and idempotency rows stay. All that is about
one subject is removed by `persistence/maintenance/erasure.py`.

Works in small batches, each a transaction of its own over rows found by primary key, so that no lock is held long.
How far each kind was walked is stored (`RetentionMark`), and what had to be left behind (`RetentionHeld`): no purged
row is read again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model, Q, QuerySet

from orchestration.clock import database_now
from orchestration.content.removal import forget_uses
from orchestration.engine.node import stop_requested
from orchestration.fault_injection import fault
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.batches import in_batches
from orchestration.models.saved_searches import SavedSearch
from orchestration.models.states import TERMINAL, PersistState
from orchestration.models.stream_chunks import StreamChunk
from orchestration.models.tool_runs import ToolRun
from orchestration.tasks import beat
from orchestration.values.moments import later
from persistence.conf import persistence_settings
from persistence.maintenance.mentions import naming
from persistence.models import BulkRun, PersistedChunk, PersistedObject, PersistedPart
from persistence.models.approval import Decision, Hold, HoldState
from persistence.models.bulk import ENDED
from persistence.models.retention import RetentionHeld, RetentionMark

BATCH = 500
DAY = 86_400.0
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Rows that hold content."""

    model: type[Model]
    clock: str = ""
    """The indexed time by which the rows are walked; empty for rows that are removed with their subject only."""
    empty: Mapping[str, Any] | None = None
    """The columns that hold content, and what stands there afterwards. None: the row is all content, and goes."""
    ready: Callable[[datetime], Q] = lambda moment: Q()
    """Which rows are finished with, when all content before `moment` goes."""
    about: Callable[[Model], Q | None] = lambda subject: None
    """Which rows are about a subject; None: such a subject has none."""
    uses: str = ""
    """The column of ContentUse for such rows: images, audio and files that nothing else has go, too."""


WAITING = (PersistState.PENDING, PersistState.HELD, PersistState.DEAD)


def finished_with() -> Q:
    """Calls that ended, and whose results wait for nothing."""
    return Q(status__in=TERMINAL) & ~Q(domain_persist_state__in=WAITING)


def _call_is_done(moment: datetime) -> Q:
    """`finished_with` of the call: an answer that is not validated yet was paid for, and whoever decides on a result
    that waits may ask the model again."""
    ended = Q(call__status__in=TERMINAL) & ~Q(call__domain_persist_state__in=WAITING)
    return Q(call__isnull=True) | ended


KINDS: dict[str, Kind] = {
    "calls": Kind(
        model=ServiceCallRecord,
        clock="created_at",
        empty={"input": {}, "context": {}, "service_kwargs": {}, "result": None, "error": None},
        ready=lambda moment: finished_with() & Q(finished_at__lt=moment),
        uses="call",
    ),
    "requests": Kind(
        model=AIRequestAudit,
        clock="dispatched_at",
        empty={"messages": [], "tools": [], "response_schema": None, "prompt_meta": {}},
        ready=lambda moment: _call_is_done(moment) & ~Q(outcome="pending"),
        uses="request",
    ),
    "responses": Kind(
        model=AIResponseAudit,
        clock="received_at",
        empty={
            **{"raw": None, "outputs": [], "structured_data": None, "tool_calls": [], "error": ""},
            "execution_metadata": {},
        },
        ready=_call_is_done,
    ),
    "tools": Kind(
        model=ToolRun,
        clock="started_at",
        empty={"arguments": None, "result": None, "error": ""},
        ready=_call_is_done,
        uses="tool_run",
    ),
    "streams": Kind(model=StreamChunk, ready=_call_is_done),
    "summaries": Kind(model=PersistedChunk, clock="persisted_at", empty={"summary": None}),
    "changes": Kind(model=PersistedObject, clock="chunk__persisted_at", empty={"changes": None}),
    "parts": Kind(model=PersistedPart, empty={"error": ""}),
    "holds": Kind(
        model=Hold,
        clock="opened_at",
        empty={"reason": "", "answer": None, "edited": None, "shown": None, "essence": {}, "error": ""},
        ready=lambda moment: ~Q(state=HoldState.OPEN),
    ),
    "searches": Kind(model=SavedSearch, about=lambda subject: naming(subject, "name", "query")),
    "runs": Kind(
        model=BulkRun,
        empty={"filter": {}, "list_query": ""},
        ready=lambda moment: Q(state__in=ENDED),
        about=lambda subject: naming(subject, "filter", "list_query"),
    ),
    "decisions": Kind(
        model=Decision, clock="decided_at", empty={"note": ""}, ready=lambda moment: ~Q(hold__state=HoldState.OPEN)
    ),
}
"""By name; these are erased with the calls that they belong to, or that name the subject. Apps add their own."""
ERASED = "[erased]"
"""What stands in a text column of an app where an empty text would mean something, or is not allowed."""


def aged_kinds() -> list[str]:
    """The kinds that are purged by age."""
    return [name for name, kind in KINDS.items() if kind.clock]


def add_kind(name: str, kind: Kind) -> None:
    """Purge an app's content by age and by subject, too. Call it from AppConfig.ready; ValueError for a taken name."""
    if KINDS.setdefault(name, kind) is not kind:
        raise ValueError(f"There is a kind of content {name!r} already.")


SETTLES_WITHIN = timedelta(hours=1)
"""A row may be committed this long after its time; what is younger is walked again."""


@dataclass(slots=True, kw_only=True)
class PruneReport:
    """Rows whose content was, or would be, purged, by kind; `held` are those that are not finished with."""

    dry_run: bool
    rows: dict[str, int] = field(default_factory=dict)
    held: int = 0
    finished: bool = True
    """False when the time was used up, or the cluster stops: continue with another prune."""


def prune(
    *,
    days: dict[str, int] | None = None,
    dry_run: bool = True,
    now: datetime | None = None,
    seconds: float = math.inf,
    from_start: bool = False,
) -> PruneReport:
    """Purge content that is older than the days of its kind (DOMAIN_PERSIST_RETENTION_DAYS where not given).

    A kind without days is kept. Calls that run, wait, or whose result is pending, held or dead are left alone, and
    taken up when that is over. What was walked once is not read again; `from_start` forgets that, for rows that were
    brought in with times of long ago. Begins no batch after `seconds`.
    """
    moment, deadline = now or database_now(), time.monotonic() + seconds
    report = PruneReport(dry_run=dry_run)
    ages = persistence_settings().DOMAIN_PERSIST_RETENTION_DAYS if days is None else days
    if from_start and not dry_run:
        RetentionMark.objects.filter(kind__in=ages).delete()
    for kind, age in ages.items():
        walk = _Walk(kind, later(moment, -age * DAY), from_start=from_start)
        if dry_run:
            report.rows[kind] = walk.count()
            continue
        report.rows[kind] = 0
        for purged in walk.batches():
            report.rows[kind] += purged
            fault("in_prune")
            beat()
            if time.monotonic() >= deadline or stop_requested():
                report.finished = False
                return report
    return report


class _Walk:
    """The rows of one kind in the order of their time, from where the last prune ended up to `moment`."""

    def __init__(self, kind: str, moment: datetime, *, from_start: bool) -> None:
        self.kind, self.moment = kind, moment
        self.model, self.clock = KINDS[kind].model, KINDS[kind].clock
        mark = None if from_start else RetentionMark.objects.filter(kind=kind).first()
        self.since = mark.until if mark is not None else None

    def count(self) -> int:
        """What would be purged."""
        ready, held = _ready(self.kind, self.moment), RetentionHeld.objects.filter(kind=self.kind)
        if self.since is None:
            return with_content(self.kind, ready).count()
        again = ready.filter(**{f"{self.clock}__lt": self.since}, pk__in=self._keys(held))
        news = ready.filter(**{f"{self.clock}__gte": self.since})
        return with_content(self.kind, news).count() + with_content(self.kind, again).count()

    def batches(self) -> Iterator[int]:
        """Purge batch by batch, each in a transaction of its own; yields how many rows each purged."""
        yield from self._held_before()
        last: tuple[datetime, Any] | None = None
        while True:
            with transaction.atomic():
                mark = self._lock()
                rows = self._next(last)
                if rows:
                    last = (rows[-1][1], rows[-1][0])
                    purged, left = self._purge([key for key, _ in rows])
                    held = [RetentionHeld(kind=self.kind, row_id=str(key)) for key in left]
                    RetentionHeld.objects.bulk_create(held, ignore_conflicts=True)
                self._advance(mark, rows[-1][1] if len(rows) == BATCH else self.moment)
            if rows:
                yield purged
            if len(rows) < BATCH:
                return

    def _held_before(self) -> Iterator[int]:
        """What an earlier prune had to leave, as far as that is over."""
        last = 0
        while True:
            with transaction.atomic():
                self._lock()
                held = RetentionHeld.objects.filter(kind=self.kind, pk__gt=last).order_by("pk")[:BATCH]
                rows = {self.model._meta.pk.to_python(row.row_id): row for row in held}
                if not rows:
                    return
                last = max(row.pk for row in rows.values())
                purged, left = self._purge(list(rows))
                there = set(self.model._base_manager.filter(pk__in=left).values_list("pk", flat=True))
                over = [row.pk for key, row in rows.items() if key not in there]
                RetentionHeld.objects.filter(pk__in=over).delete()
            yield purged

    def _lock(self) -> RetentionMark:
        """Two prunes of one kind take turns, batch by batch."""
        RetentionMark.objects.get_or_create(kind=self.kind, defaults={"until": LONG_AGO})
        return RetentionMark.objects.select_for_update().get(kind=self.kind)

    def _next(self, last: tuple[datetime, Any] | None) -> list[tuple[Any, datetime]]:
        rows = self.model._base_manager.filter(**{f"{self.clock}__lt": self.moment}).order_by(self.clock, "pk")
        if last is not None:
            at, key = last
            after = Q(**{f"{self.clock}__gt": at}) | Q(**{self.clock: at}, pk__gt=key)
            rows = rows.filter(after, **{f"{self.clock}__gte": at})  # the latter lets the index seek
        elif self.since is not None:
            rows = rows.filter(**{f"{self.clock}__gte": self.since})
        return list(rows.values_list("pk", self.clock)[:BATCH])

    def _purge(self, keys: list[Any]) -> tuple[int, set[Any]]:
        """Empty these rows; returns how many had content, and the keys of those that cannot go yet."""
        ready = list(_ready(self.kind, self.moment).filter(pk__in=keys).values_list("pk", flat=True))
        return empty(self.kind, ready), set(keys) - set(ready)

    def _advance(self, mark: RetentionMark, until: datetime) -> None:
        until = min(until, database_now() - SETTLES_WITHIN)
        if until > mark.until:
            mark.until = until
            mark.save(update_fields=["until"])

    def _keys(self, held: QuerySet[RetentionHeld]) -> list[Any]:
        return [self.model._meta.pk.to_python(key) for key in held.values_list("row_id", flat=True)]


def _ready(name: str, moment: datetime) -> QuerySet[Any]:
    """Rows old enough, and finished with."""
    kind = KINDS[name]
    return kind.model._base_manager.filter(kind.ready(moment), **{f"{kind.clock}__lt": moment})


def with_content(name: str, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those that have something to purge."""
    full = Q()
    for column, value in (KINDS[name].empty or {}).items():
        full |= Q(**{f"{column}__isnull": False}) if value is None else ~Q(**{column: value})
    return rows.filter(full)


def empty(name: str, keys: list[Any]) -> int:
    """Take the content out of rows that still have some; how many."""
    kind = KINDS[name]
    found = with_content(name, kind.model._base_manager.filter(pk__in=keys))
    if kind.empty is None:
        return found.delete()[0]
    with transaction.atomic():
        purged = QuerySet.update(found, **kind.empty)  # audits are append-only everywhere but here
        if kind.uses:
            forget_uses(kind.uses, keys)
    return purged


def batches(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """The keys of rows, some at a time."""
    return in_batches(rows.values_list("pk", flat=True), BATCH, key=lambda pk: pk)
