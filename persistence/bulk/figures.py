"""What a bulk run says of itself while it runs: how fast it is, how long it will take, and why items were not done."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta

from django.db.models import QuerySet

from orchestration.clock import database_now
from persistence.models import BulkItem, BulkRun, BulkState
from persistence.models.bulk import TROUBLES, Trouble

NEWEST = 200
"""Items by which the rate is measured."""
RECENT = timedelta(minutes=1)
"""What was done before says nothing of how fast the run is now."""
MOST_TROUBLES = 5_000
LISTED = 10
NUMBER = re.compile(r"(?<!\d)(?<!\.py:)\d+")
"""But for the line of a source: it is the same for all."""


def rate(run: BulkRun, now: datetime | None = None) -> float | None:
    """Items a second, by the newest of the last minute; None while it does not run, or none was done."""
    if run.state != BulkState.RUNNING:
        return None
    moment = now or database_now()
    first_open = run.items.filter(outcome="").order_by("pk").values_list("pk", flat=True).first()
    done = run.items.filter(done_at__gte=moment - RECENT)
    if first_open is not None:
        done = done.filter(pk__lt=first_open)
    times = [at for at in done.order_by("-pk").values_list("done_at", flat=True)[:NEWEST] if at is not None]
    took = (moment - min(times)).total_seconds() if times else 0.0
    return len(times) / took if took > 0 else None


def expected_rate(run: BulkRun, measured: float | None) -> float | None:
    """Items a second to reckon with: what was measured, and no more than the pace of the run. None when neither is
    known."""
    pace = run.per_minute / 60 if run.per_minute and run.state == BulkState.RUNNING else None
    return min(measured, pace) if measured and pace else measured or pace


def time_left(run: BulkRun, done: int, per_second: float | None) -> timedelta | None:
    """How long the rest takes at this rate."""
    return timedelta(seconds=(run.total - done) / per_second) if per_second else None


def undone(run: BulkRun) -> QuerySet[BulkItem]:
    """Of a run that has ended: what was left alone, failed, or was not reached, and can be tried again."""
    return run.items.filter(outcome__in=(Trouble.FAILED, Trouble.REFUSED, ""))


def troubles_by_cause(run: BulkRun) -> list[tuple[str, str, int]]:
    """(outcome, why without its numbers, items), the most frequent first; of the first MOST_TROUBLES. Reasons may hold
    content."""
    found = run.items.filter(outcome__in=TROUBLES).order_by("pk").values_list("outcome", "error")[:MOST_TROUBLES]
    counts = Counter((outcome, NUMBER.sub("#", error)) for outcome, error in found)
    return [(outcome, why, count) for (outcome, why), count in counts.most_common(LISTED)]
