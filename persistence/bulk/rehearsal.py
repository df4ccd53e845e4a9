"""Trying out a run on a sample of its calls, in transactions that are rolled back.

The state of a call does not tell whether it can be reverted: that depends on its rows, and on what happened to them
since. So a sample is taken through what the run itself would do, in the run's own order: before a call come those of
the list that touched its rows later, because the run undoes them first.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Max, Min, Q

from orchestration.isolation import isolated
from orchestration.operations import Operation, OperationResult, carry_out
from orchestration.types import JsonObject
from persistence import log
from persistence.models import BulkItem, BulkRun, PersistedObject
from persistence.models.bulk import Trouble
from persistence.reprocessing.reprocess import held_call
from persistence.tracking.saved_files import deleting_rolled_back_files

SAMPLE = 20
"""Calls that are tried out, spread over the list."""
SECONDS = 3.0
"""How long a sample takes at most: somebody waits for the page."""
MOST_BEFORE = 25
"""Later calls that are undone before one is tried out; what depends on more is not tried."""
PATIENCE = "500ms"
"""How long a row is waited for that somebody holds."""


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """What came of the calls that were tried out."""

    tried: int = 0
    refused: int = 0
    """Of them: refused, failed or gone."""
    untried: int = 0
    """Those for which there was no time, whose rows somebody held, or that depend on too many others."""
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def note(self, result: OperationResult | None) -> None:
        if result is None:
            self.untried += 1
            return
        self.tried += 1
        self.outcomes[result.outcome] += 1
        self.refused += result.outcome in Trouble.values
        if result.error:  # of what is forced, too: what it contradicts
            self.reasons[result.error] += 1

    def as_json(self) -> JsonObject:
        return {
            "tried": self.tried,
            "refused": self.refused,
            "untried": self.untried,
            "outcomes": [[outcome, count] for outcome, count in self.outcomes.most_common()],
            "reasons": [[why, count] for why, count in self.reasons.most_common(5)],
        }


def rehearse(run: BulkRun, operation: Operation) -> Rehearsal:
    """Try a run out on a sample of its open items; nothing stays."""
    found = Rehearsal()
    for _, result in try_out(run, operation, count=SAMPLE, seconds=SECONDS):
        found.note(result)
    return found


def try_out(
    run: BulkRun, operation: Operation, *, count: int, seconds: float
) -> Iterator[tuple[BulkItem, OperationResult | None]]:
    """What would come of `count` items that are spread over the list; None of those that cannot be tried, or not
    within `seconds`. Nothing stays."""
    deadline = time.monotonic() + seconds
    for item in _spread(run, count):
        result = None
        if time.monotonic() < deadline:
            with isolated() as trying:  # whatever a handler, or a lock that takes too long, may raise
                result = _tried(run, operation, item)
            if trying.error is not None:
                log.not_rehearsed(item.call_id, trying.error)
        yield item, result


def _spread(run: BulkRun, count: int) -> Iterator[BulkItem]:
    """Items at even distances, each once: of the open ones, or of all when the run has ended."""
    items = run.items.order_by("pk") if run.has_ended else run.items.filter(outcome="").order_by("pk")
    ends = items.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return
    seen = -1
    for step in range(count):
        wanted = ends["first"] + (ends["last"] - ends["first"]) * step // max(count - 1, 1)
        item = items.filter(pk__gte=max(wanted, seen + 1)).first()
        if item is None:
            return
        seen = item.pk
        yield item


def _tried(run: BulkRun, operation: Operation, item: BulkItem) -> OperationResult | None:
    """What came of an item after those before it; None when that cannot be tried."""
    with deleting_rolled_back_files(), transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        before = _before(run, item)
        result = None
        if len(before) <= MOST_BEFORE:
            for call_id in before:
                _carried_out(run, operation, call_id)
            result = _carried_out(run, operation, item.call_id)
        transaction.set_rollback(True)
    return result


def _carried_out(run: BulkRun, operation: Operation, call_id: str) -> OperationResult:
    with transaction.atomic():
        call = held_call(call_id)
        if call is None:
            return OperationResult(outcome=Trouble.GONE.value, error="The call no longer exists.")
        return carry_out(operation, call, run.options, run.requested_by)


def _before(run: BulkRun, item: BulkItem) -> list[str]:
    """The calls before an item in the list that touched rows of it."""
    rows = PersistedObject.objects.filter(chunk__call_id=item.call_id).values_list("content_type_id", "object_id")
    places = Q(pk__in=[])
    for kind, key in rows[:MOST_BEFORE]:
        places |= Q(content_type_id=kind, object_id=key)
    touching = PersistedObject.objects.filter(places).values_list("chunk__call_id", flat=True)
    calls = set(touching.distinct()[: 10 * MOST_BEFORE])
    earlier = run.items.filter(outcome="", call_id__in=calls, pk__lt=item.pk).order_by("pk")
    return list(earlier.values_list("call_id", flat=True)[: MOST_BEFORE + 1])
