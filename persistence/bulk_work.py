"""How a worker does a bulk run: item by item, for one budget, as long as nobody pauses, aborts or replaces it.

Each item commits together with its own result, so a kill loses nothing and repeats nothing. A worker holds the run by
a lease with a fencing token; when it dies, the next tick after the lease starts another one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection, transaction
from django.db.models import CharField, F, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from orchestration.engine.database import DATABASE_AWAY
from orchestration.engine.slots import stop_requested
from orchestration.models import ServiceCallRecord
from orchestration.models.statements import cursor_with_plans
from orchestration.tasks import beat
from persistence import log
from persistence.bulk import open_items, wake_worker
from persistence.bulk_rows import Trouble
from persistence.conf import persistence_settings
from persistence.consumers import any_is_async, with_event_loop
from persistence.deaths import marks_of_the_dead, watching
from persistence.drain import told_of
from persistence.models import BulkItem, BulkKind, BulkRun, BulkState, PersistenceDeath
from persistence.operations import BulkOperation, Done, operation
from persistence.replay import held_call

LOOK_SECONDS = 0.5
"""How often a worker looks whether it should stop; an abort takes at most this and one item."""
LEASE = timedelta(seconds=30)
ITEMS_AT_ONCE = 100
GONE = Done(outcome=Trouble.GONE.value, error="The call is not there any more.")


@dataclass(slots=True)
class Hold:
    """A worker's lease on a run."""

    run: BulkRun
    token: int
    deadline: float
    looked: float = 0.0

    def goes_on(self) -> bool:
        """False when the budget is used, the cluster stops, or the run was stopped or taken over.

        Renews the lease now and then.
        """
        now = time.monotonic()
        if now >= self.deadline or stop_requested():
            return False
        if now - self.looked < LOOK_SECONDS:
            return True
        self.looked = now
        beat()
        return bool(self._mine().filter(state=BulkState.RUNNING).update(leased_until=timezone.now() + LEASE))

    def finish(self, state: BulkState = BulkState.DONE, error: str = "") -> None:
        """running → done | failed."""
        self._mine().filter(state=BulkState.RUNNING).update(
            state=state, error=error, finished_at=timezone.now(), leased_until=None
        )

    def let_go(self) -> None:
        """Free the run, and send its task again when something is left and nobody else is at it."""
        self._mine().update(leased_until=None)
        if BulkRun.objects.filter(pk=self.run.pk, state=BulkState.RUNNING, leased_until=None).exists():
            wake_worker(self.run.pk, self.run.kind)

    def _mine(self) -> QuerySet[BulkRun]:
        return BulkRun.objects.filter(pk=self.run.pk, lease_token=self.token)


def work(run_id: int) -> int:
    """Do open items of a run for at most the budget of one drain; returns how many. 0 when somebody else is at it.

    Sends the task again when items are left. Exports have a worker of their own (persistence/export_work.py).
    """
    fail_deadly_items()
    hold = take(run_id, persistence_settings().DOMAIN_PERSIST_BUDGET_SECONDS)
    if hold is None:
        return 0
    done = _operate(hold)
    hold.let_go()
    return done


def take(run_id: int, seconds: float) -> Hold | None:
    """Hold a run, for so long at most; None when it is not to be worked on, or somebody is at it."""
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    taken = BulkRun.objects.filter(free, pk=run_id, state__in=(BulkState.QUEUED, BulkState.RUNNING)).update(
        state=BulkState.RUNNING, leased_until=now + LEASE, lease_token=F("lease_token") + 1
    )
    if not taken:
        return None
    run = BulkRun.objects.select_related("requested_by").get(pk=run_id)
    return Hold(run, run.lease_token, time.monotonic() + seconds)


def _operate(hold: Hold) -> int:
    done, entry = 0, operation(hold.run.kind)
    with watching(hold.run.pk):
        for items in _some_after_the_other(hold.run):
            calls = _read_ahead(items)
            each = partial(_do_each, hold, entry, items, calls)
            some, goes_on = with_event_loop(each) if any_is_async(calls.values()) else each()
            done += some
            if not goes_on:
                return done
    hold.finish()
    return done


def _some_after_the_other(run: BulkRun) -> Iterator[list[BulkItem]]:
    """The open items, a hundred in memory. Each query begins behind the last item: before it, an index that nobody
    vacuumed yet still holds all that were done. At the end it looks once from the start."""
    last = 0
    while True:
        items = list(open_items(run).filter(pk__gt=last)[:ITEMS_AT_ONCE])
        if items:
            yield items
        elif not last:
            return
        last = items[-1].pk if items else 0


def _do_each(
    hold: Hold, entry: BulkOperation, items: list[BulkItem], calls: dict[str, ServiceCallRecord]
) -> tuple[int, bool]:
    """How many of these items were done, and whether there was no reason to stop."""
    done = 0
    for item in items:
        if not hold.goes_on():
            return done, False
        done += _do(hold.run, entry, item, calls.pop(item.call_id, None))
    return done, True


def _read_ahead(items: list[BulkItem]) -> dict[str, ServiceCallRecord]:
    """The calls of some items in one query; on PostgreSQL with the transaction that wrote each row (`xmin`)."""
    calls = ServiceCallRecord.objects.order_by()
    if connection.vendor == "postgresql":
        calls = calls.annotate(written_by=RawSQL("service_call_record.xmin::text", (), CharField()))
    return calls.in_bulk([item.call_id for item in items])


def _held(call_id: str, ahead: ServiceCallRecord | None) -> ServiceCallRecord | None:
    """The call, held until the transaction ends: as it was read ahead, unless somebody wrote the row since."""
    written_by = getattr(ahead, "written_by", None)
    if written_by is not None:
        with cursor_with_plans() as cursor:
            cursor.execute("SELECT xmin::text FROM service_call_record WHERE id = %s FOR NO KEY UPDATE", [call_id])
            if cursor.fetchone() == (written_by,):
                return ahead
    return held_call(call_id)


def fail_deadly_items() -> None:
    """Fail the items whose handlers killed too many processes on this machine; one or two kills may be anybody's."""
    for path, mark in marks_of_the_dead(in_bulk=True):
        with transaction.atomic():
            deaths = PersistenceDeath.objects.note(mark)
            if len(deaths) >= persistence_settings().DOMAIN_PERSIST_MAX_DEATHS:
                told = told_of(deaths)
                log.died(mark.call_id, told)
                item = BulkItem.objects.filter(run=mark.bulk_run, call_id=mark.call_id, outcome="")
                item.update(outcome=Trouble.FAILED, error=told, done_at=timezone.now())
        path.unlink(missing_ok=True)


def _do(run: BulkRun, entry: BulkOperation, item: BulkItem, ahead: ServiceCallRecord | None) -> bool:
    """One item, its result and its entry in the history, in one transaction; False when another worker has done it."""
    call: ServiceCallRecord | None = None
    try:
        with transaction.atomic():
            call = _held(item.call_id, ahead)
            done = entry.run(call, run.options, run.requested_by) if call is not None else GONE
            if not transaction.get_rollback():
                return _keep(run, entry, item, call, done)
    except Exception as error:  # a handler may raise anything, if only at the commit, and the other items go on
        if isinstance(error, DATABASE_AWAY) and not connection.is_usable():
            raise
        done = Done(outcome=Trouble.FAILED.value, error=log.explain(error))
    with transaction.atomic():
        return _keep(run, entry, item, call, done)


def _keep(run: BulkRun, entry: BulkOperation, item: BulkItem, call: ServiceCallRecord | None, done: Done) -> bool:
    """The result of an item, unless it has one: then nothing of the transaction stays. A dry run can be done again."""
    durable = entry.kind is not BulkKind.PREVIEW
    kept = BulkItem.objects.close(item, outcome=done.outcome, counts=done.counts, error=done.error, durable=durable)
    if not kept:
        transaction.set_rollback(True)
    elif call is not None:
        _note(run, entry, call, done)
    return kept


def _note(run: BulkRun, entry: BulkOperation, call: ServiceCallRecord, done: Done) -> None:
    """The entry in the call's history; a run from the command line has nobody to name."""
    if run.requested_by_id is None or done.was_left_alone:
        return
    told = f"{entry.title} (bulk run {run.pk}): {done.outcome}. {run.reason}".strip()
    LogEntry.objects.log_actions(run.requested_by_id, [call], CHANGE, told, single_object=True)
