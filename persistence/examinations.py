"""What the doctor looks at of persistence: results that wait or are dead, bulk runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.core.checks import CheckMessage, Error
from django.db.models import Q

from orchestration.clock import database_now
from orchestration.doctor.examinations import Examination, fact
from orchestration.stats.figures import LATE, queues
from persistence.bulk.pace import near
from persistence.causes.remedies import remedy
from persistence.maintenance.dead_letters import dead_groups
from persistence.models.bulk import BulkRun, BulkState

FORGOTTEN = timedelta(minutes=5)


def results() -> Iterator[CheckMessage]:
    """E201: results wait for longer than a minute. E202: dead ones."""
    found = queues()
    if found.drain_lag is not None and found.drain_lag > LATE:
        yield Error(
            f"{found.pending} results wait to be persisted; the oldest has been due for"
            f" {found.drain_lag.total_seconds():.0f} s.",
            hint="Start a node of the cluster that drains; or `manage.py drain_persistence --once` here.",
            id="persistence.E201",
        )
    for group in dead_groups() if found.dead.count else ():
        yield Error(
            f"{group.dead} results are dead: {group.headline or 'no error noted'} in {group.handler}.",
            hint=f"{remedy(group.cause)} Then reprocess the group: console, Dead letters, or"
            " `manage.py reprocess --filter state=dead --apply`.",
            id="persistence.E202",
        )
    yield fact(f"{found.pending} to be persisted, none dead")


def bulk_runs() -> Iterator[CheckMessage]:
    """E203: a run that no worker holds."""
    before = database_now() - FORGOTTEN
    waiting = BulkRun.objects.filter(
        near(before), state__in=(BulkState.QUEUED, BulkState.RUNNING), created_at__lt=before
    )
    for run in waiting.filter(Q(leased_until=None) | Q(leased_until__lt=before)):
        yield Error(
            f"Bulk run {run.pk} ({run.kind}, {run.total} rows) is {run.state}, and no worker holds it.",
            hint="Start a node: each tick wakes a worker for it. Or abort it in the console (Bulk runs).",
            id="persistence.E203",
        )
    yield fact("none forgotten")


EXAMINATIONS = (
    Examination(topic="results", look=results),
    Examination(topic="bulk runs", look=bulk_runs),
)
