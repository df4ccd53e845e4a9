"""How a worker does a bulk run: item by item, for one budget, as long as nobody pauses, aborts or replaces it.

Each item commits together with its own result, so a kill loses nothing and repeats nothing. A worker holds the run by
a lease with a fencing token; when it dies, the next tick after the lease starts another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection, transaction
from django.db.models import CharField, Value
from django.db.models.expressions import RawSQL

from orchestration.clock import database_now
from orchestration.engine.queue.database_thread import DATABASE_AWAY
from orchestration.models import ServiceCallRecord
from orchestration.models.batches import in_batches
from orchestration.models.prepared_sql import cursor_with_plans
from orchestration.operations import Operation, OperationResult, carry_out, operation_of
from persistence import log
from persistence.bulk.lease import RunLease, acquire
from persistence.bulk.runs import open_items
from persistence.bulk.shortfall import shortfall
from persistence.conf import persistence_settings
from persistence.handlers.adapters import any_is_async, with_event_loop
from persistence.models import BulkItem, BulkRun, BulkState, PersistenceDeath
from persistence.models.bulk import Trouble
from persistence.outbox.crash_markers import orphaned_markers, watching
from persistence.outbox.drain import describe_deaths
from persistence.reprocessing.reprocess import held_call
from persistence.tracking.saved_files import deleting_rolled_back_files

ITEMS_AT_ONCE = 100
GONE = OperationResult(outcome=Trouble.GONE.value, error="The call no longer exists.")
UNSEEN = OperationResult(
    outcome=Trouble.REFUSED.value, error="The person in whose name this runs may see their own calls only."
)


def work(run_id: int) -> int:
    """Do open items of a run for at most the budget of one drain; returns how many. 0 when somebody else is at it.

    Sends the task again when items are left. Exports have a worker of their own (persistence/exports/worker.py).
    """
    fail_deadly_items()
    lease = acquire(run_id, persistence_settings().DOMAIN_PERSIST_BUDGET_SECONDS)
    if lease is None:
        return 0
    done = _operate(lease)
    lease.release()
    return done


def _operate(lease: RunLease) -> int:
    done = 0
    try:
        entry = operation_of(lease.run.kind)
    except KeyError:
        lease.finish(BulkState.FAILED, f"The operation {lease.run.kind!r} is no longer declared.")
        return 0
    with watching(lease.run.pk):
        for items in _some_after_the_other(lease.run):
            calls = _read_ahead(items)
            each = partial(_do_each, lease, entry, items, calls)
            some, may_continue = with_event_loop(each) if any_is_async(calls.values()) else each()
            done += some
            if not may_continue:
                return done
    lease.finish(*shortfall(lease.run))
    return done


def _some_after_the_other(run: BulkRun) -> Iterator[list[BulkItem]]:
    """The open items, a hundred in memory. Each query begins behind the last item: before it, an index that nobody
    vacuumed yet still holds all that were done. At the end it looks once from the start."""
    found = True
    while found:
        found = False
        for items in in_batches(open_items(run), ITEMS_AT_ONCE):
            found = True
            yield items


def _do_each(
    lease: RunLease, entry: Operation, items: list[BulkItem], calls: dict[str, ServiceCallRecord]
) -> tuple[int, bool]:
    """How many of these items were done, and whether there was no reason to stop."""
    done = 0
    for item in items:
        if not lease.may_do_next():
            return done, False
        done += _do(lease, entry, item, calls.pop(item.call_id, None))
    return done, True


def _read_ahead(items: list[BulkItem]) -> dict[str, ServiceCallRecord]:
    """The calls of some items in one query; on PostgreSQL with the transaction that wrote each row (`xmin`)."""
    is_postgresql = connection.vendor == "postgresql"
    written_by = RawSQL("service_call_record.xmin::text", (), CharField()) if is_postgresql else Value("")
    calls = ServiceCallRecord.objects.order_by().annotate(written_by=written_by)
    return calls.in_bulk([item.call_id for item in items])


def _held(call_id: str, ahead: ServiceCallRecord | None) -> ServiceCallRecord | None:
    """The call, held until the transaction ends: as it was read ahead, unless somebody wrote the row since."""
    written_by = "" if ahead is None else ahead.written_by  # type: ignore[attr-defined]  # annotated
    if written_by:
        with cursor_with_plans() as cursor:
            cursor.execute("SELECT xmin::text FROM service_call_record WHERE id = %s FOR NO KEY UPDATE", [call_id])
            if cursor.fetchone() == (written_by,):
                return ahead
    return held_call(call_id)


def fail_deadly_items() -> None:
    """Fail the items whose handlers killed too many processes on this machine; one or two kills may be anybody's."""
    for path, mark in orphaned_markers(in_bulk=True):
        with transaction.atomic():
            deaths = PersistenceDeath.objects.note(mark)
            if len(deaths) >= persistence_settings().DOMAIN_PERSIST_MAX_DEATHS:
                message = describe_deaths(deaths)
                log.died(mark.call_id, message)
                item = BulkItem.objects.filter(run=mark.bulk_run, call_id=mark.call_id, outcome="")
                item.update(outcome=Trouble.FAILED, error=message, done_at=database_now())
        path.unlink(missing_ok=True)


def _do(lease: RunLease, entry: Operation, item: BulkItem, ahead: ServiceCallRecord | None) -> bool:
    """One item, its result and its entry in the history, in one transaction; False when another worker has done it."""
    run, rights = lease.run, lease.rights
    call: ServiceCallRecord | None = None
    try:
        with deleting_rolled_back_files(), transaction.atomic():
            call = _held(item.call_id, ahead)
            if call is None:
                done = GONE
            else:
                done = carry_out(entry, call, run.options, rights.person) if rights.may_see(call) else UNSEEN
            if not transaction.get_rollback():
                return _keep(lease, entry, item, call, done)
    except Exception as error:  # a handler may raise anything, if only at the commit, and the other items continue
        if isinstance(error, DATABASE_AWAY) and not connection.is_usable():
            raise
        done = OperationResult(outcome=Trouble.FAILED.value, error=log.explain(error))
    with transaction.atomic():
        return _keep(lease, entry, item, call, done)


def _keep(
    lease: RunLease, entry: Operation, item: BulkItem, call: ServiceCallRecord | None, done: OperationResult
) -> bool:
    """The result of an item, unless it has one: then nothing of the transaction stays. A dry run can be done again."""
    durable = not entry.is_dry_run
    kept = BulkItem.objects.close(
        item, outcome=done.outcome, counts=done.counts, error=done.error, made=done.made, durable=durable
    )
    if not kept:
        transaction.set_rollback(True)
    elif call is not None:
        _note(lease, entry, call, done)
    return kept


def _note(lease: RunLease, entry: Operation, call: ServiceCallRecord, done: OperationResult) -> None:
    """The entry in the call's history; a run from the command line has nobody to name."""
    run, person = lease.run, lease.rights.person
    if person is None or done.was_refused:
        return
    message = f"{entry.title} (bulk run {run.pk}): {done.outcome}. {run.reason}".strip()
    LogEntry.objects.log_actions(person.pk, [call], CHANGE, message, single_object=True)
