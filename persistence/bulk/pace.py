"""The pace of a bulk run: when its next item may begin. It is stored, so all processes that work on the run keep it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from orchestration.clock import database_now
from persistence.errors import BulkRefused
from persistence.models import BulkRun
from persistence.models.bulk import FORMAT

LONGEST_WAIT = timedelta(seconds=10)
"""A worker waits this long for the next item; for a later one the run is left to a tick, which comes as often."""
CATCHING_UP = timedelta(seconds=1)
"""What a run is late by this much, it makes up for: a sleep that is too long makes it no slower on average."""
FASTEST = 60_000
"""Items a minute."""


def near(now: datetime) -> Q:
    """Of runs: the next item may begin now, or soon enough to be waited for."""
    return Q(next_item_at=None) | Q(next_item_at__lte=now + LONGEST_WAIT)


def item_after_next(run: BulkRun, now: datetime) -> datetime | None:
    """When the item after one that begins now may begin; None without a pace."""
    if not run.per_minute:
        return None
    between = timedelta(minutes=1) / run.per_minute
    late = min(max(between, CATCHING_UP), LONGEST_WAIT)
    return max(run.next_item_at or now, now - late) + between


def change_pace(run: BulkRun, per_minute: int | None) -> None:
    """Set or, with None, lift the pace of a run that has not ended; a worker that is at it keeps it from the next item
    on. BulkRefused when the run has ended, or for a pace that is not between 1 and FASTEST."""
    check_pace(per_minute)
    rows = BulkRun.objects.filter(pk=run.pk, finished_at=None)
    if not rows.update(per_minute=per_minute, next_item_at=None):
        raise BulkRefused(f"Bulk run {run.pk} has ended.")
    _take_from_older_versions(rows)
    run.per_minute, run.next_item_at = per_minute, None


def _take_from_older_versions(rows: QuerySet[BulkRun]) -> None:
    """A worker of a version that knows no pace loses its lease on a run that gets one, and does not take it again."""
    older = rows.filter(Q(format_version=None) | Q(format_version__lt=FORMAT))
    older.update(format_version=FORMAT, lease_token=F("lease_token") + 1, leased_until=None)


def check_pace(per_minute: int | None) -> None:
    """BulkRefused for a pace that is not between 1 and FASTEST items a minute."""
    if per_minute is not None and not 1 <= per_minute <= FASTEST:
        raise BulkRefused(f"A run does 1 to {FASTEST:,} items a minute, not {per_minute:,}.")


def pace_in_words(run: BulkRun) -> str:
    """`at most 30 a minute`, `at most 2 a second`; empty without a pace."""
    if not run.per_minute:
        return ""
    if run.per_minute % 60 == 0:
        return f"at most {run.per_minute // 60:,} a second"
    return f"at most {run.per_minute:,} a minute"


def seconds_until_next(run: BulkRun) -> float:
    """Until the next item may begin, by what is known of the run; 0 when it may."""
    if run.next_item_at is None:
        return 0.0
    return max(0.0, (run.next_item_at - database_now()).total_seconds())
