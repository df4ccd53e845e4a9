"""The drain: stored results become domain objects, each result exactly once.

A batch is persisted in groups that share a transaction (`persistence/outbox/groups.py`). What does not go through there
has one of its own (`drain_record`), and so has whatever is not part of a batch; only there, failures are charged.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial

from django.db import connection, transaction

from orchestration.engine.node import stop_requested
from orchestration.engine.queue.database_thread import DATABASE_AWAY
from orchestration.errors import TransitionRefused
from orchestration.fault_injection import fault
from orchestration.isolation import isolated
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.tasks import beat
from orchestration.types import Response
from persistence import log
from persistence.causes.cause import Cause, Kind
from persistence.conf import persistence_settings
from persistence.handlers.adapters import Consumer, Consumers, with_event_loop
from persistence.models import PersistedChunk, PersistedPart, PersistenceDeath
from persistence.models.outbox import CrashMarker
from persistence.outbox.announcements import DeadResults, after_commit
from persistence.outbox.charging import charge, record_failure
from persistence.outbox.crash_markers import orphaned_markers, watching
from persistence.outbox.gate import holds_back
from persistence.outbox.groups import Apart, persist_together
from persistence.outbox.idempotent_unit import chunk_for, fill_chunk, persist_parts
from persistence.outbox.outbox_row import OutboxRow
from persistence.outbox.outcomes import Counts, Outcome
from persistence.outbox.work import Work, read_records, source_of
from persistence.outbox.worker_threads import WorkList, in_threads, threads_for
from persistence.tracking.object_links import merged
from persistence.tracking.saved_files import deleting_rolled_back_files

READ_AT_ONCE = 100
"""Records whose results are in memory at once."""
BEAT_SECONDS = 5.0
"""How often a drain writes a heartbeat, at most."""
LOOK_SECONDS = 0.005
"""How often it looks whether its cluster is stopping, at most: that takes two system calls, and is asked twice for each
record."""


def drain_batch() -> Counts:
    """Persist what is due, most urgent and oldest first: at most a batch, for at most the budget of one drain.

    Stops between two records when its cluster is stopping.
    """
    settings = persistence_settings()
    deadline, next_beat = time.monotonic() + settings.DOMAIN_PERSIST_BUDGET_SECONDS, time.monotonic() + BEAT_SECONDS
    counts, is_stopping, next_look = Counts(), False, 0.0

    def has_time() -> bool:
        nonlocal is_stopping, next_look
        now = time.monotonic()
        if now >= next_look:
            is_stopping, next_look = stop_requested(), now + LOOK_SECONDS
        return now < deadline and not is_stopping

    def should_continue(_: str, outcome: Outcome) -> bool:
        nonlocal next_beat
        counts.add(outcome)
        if time.monotonic() >= next_beat:
            beat()
            next_beat = time.monotonic() + BEAT_SECONDS
        return has_time()

    pending = (
        ServiceCallRecord.objects.pending_persistence().exclude(pk__in=charge_deaths()).values_list("pk", flat=True)
    )
    due = list(pending[: settings.DOMAIN_PERSIST_BATCH_SIZE])
    together = len(due) > 1 and not connection.in_atomic_block
    suspects = PersistenceDeath.objects.suspects(due) if together else set()
    todo = WorkList((call_id for call_id in due if call_id not in suspects), should_continue, has_time)
    _drain(todo, threads=threads_for(len(due)), together=together)
    if not todo.stopped:
        _drain(WorkList(sorted(suspects), should_continue))
    return counts


def drain_calls(call_ids: Iterable[str]) -> dict[str, Outcome]:
    """Persist these calls now, in this thread, for a caller who waits; what fails is recorded like in any drain."""
    outcomes: dict[str, Outcome] = {}

    def should_continue(call_id: str, outcome: Outcome) -> bool:
        outcomes[call_id] = outcome
        return True

    _drain(WorkList(call_ids, should_continue))
    return outcomes


def drain_call(call_id: str) -> Outcome:
    """Persist one call's result, if it is due and not locked by another worker."""
    return drain_calls([call_id])[call_id]


def _drain(todo: WorkList, *, threads: int = 1, together: bool = False) -> None:
    """Records in the given order, until the database is away or the work list is stopped."""

    def drain_some() -> None:
        consumers, dead = Consumers(), DeadResults()
        with watching(), ExitStack() as at_the_end:
            at_the_end.callback(dead.announce)
            while some := todo.next_batch(READ_AT_ONCE // threads):
                records = read_records(some)
                works = [Work.of(records[call_id], consumers) for call_id in some if call_id in records]
                each = partial(_drain_each, deque(works), todo, consumers, dead, together=together)
                with_event_loop(each) if any(work.is_async for work in works) else each()
                for call_id in some:
                    if call_id not in records:
                        todo.report(call_id, Outcome.NOT_DUE)

    in_threads(threads, drain_some, todo)


def _drain_each(works: deque[Work], todo: WorkList, consumers: Consumers, dead: DeadResults, *, together: bool) -> None:
    apart = Apart()
    while works and not todo.stopped:
        group = apart.group_of(works) if together else []
        settled = persist_together(group, apart, todo.may_go_on) if len(group) > 1 else 0
        if not settled:
            works[0] = work = works[0].afresh(consumers)
            work.outcome = drain_record(work)
        for _ in range(settled or 1):
            work = works.popleft()
            if work.outcome is Outcome.DEAD:
                dead.add(work.record)
            todo.report(work.call_id, work.outcome)
        dead.announce_late()


def drain_record(work: Work) -> Outcome:
    """Persist the result of a record that was read earlier; what may have changed is read again under the lock.

    Whatever its handler raises becomes the state of the record. What is not an Exception (the worker is being
    killed) undoes everything, charges nothing and propagates to the caller.
    """
    fault("before_drain")
    # A handler may raise anything, at the commit as well, and each exception is a failed attempt.
    with isolated() as run, deleting_rolled_back_files(), transaction.atomic():
        # First in line, so that a hook that a handler registers cannot keep it from running.
        transaction.on_commit(lambda: after_commit(work), robust=True)
        work.outcome = persist_locked(work)
    return work.outcome if run.error is None else _not_committed(work, run.error)


def persist_locked(work: Work) -> Outcome:
    """Everything that commits together: lock, chunk, domain rows, links, mark."""
    record, consumer, response = work.record, work.consumer, work.response
    opened = None
    if consumer is None or response is None or consumer.splits or work.may_wait:
        work.row.lock()
    else:
        opened = work.row.lock_and_insert(chunk_for(consumer, response))
    if not work.row.locked:
        return Outcome.NOT_DUE
    if work.unreadable is not None:
        raise work.unreadable
    if response is None or consumer is None:
        return _skip(work)
    response.attach(record.related_object)
    if work.may_wait and holds_back(work):
        return Outcome.HELD
    if consumer.splits:
        return _persist_parts(work, consumer, response)
    chunk, is_new = opened or PersistedChunk.objects.open(chunk_for(consumer, response))
    work.touched, statements = fill_chunk(consumer, response, chunk, is_new=is_new)
    work.parts[""] = work.touched
    fault("before_finalize")
    work.row.mark_persisted(along=statements)
    return Outcome.PERSISTED


def _skip(work: Work) -> Outcome:
    record = work.record
    work.row.mark_skipped()
    log.skipped(record.pk, record.namespace, record.schema_identity)
    return Outcome.SKIPPED


def _persist_parts(work: Work, consumer: Consumer, response: Response) -> Outcome:
    """Persisted when every part is. Until then, parts that succeed are committed and the others are charged."""
    record = work.record
    if not work.row.attempts:  # somebody asked for it again
        PersistedPart.objects.of_result(record.pk, response.execution_metadata.schema_identity).delete()
    parts = consumer.parts(response)
    done = persist_parts(consumer, response, parts or [], source=source_of(consumer))
    work.parts = done.touched
    work.touched = merged(done.touched.values())
    fault("before_finalize")
    if not done.error:
        work.row.mark_persisted()
        return Outcome.PERSISTED
    work.error = done.error
    return record_failure(work, done.error, done.cause, give_up=not done.failed)


# --- afterwards -----------------------------------------------------------------------------


def _not_committed(work: Work, error: Exception) -> Outcome:
    """Charge the attempt, unless the database is what failed, or the error came after the commit."""
    if work.committed:
        log.hook_failed(work.record.pk, work.component, log.explain(error, source_of(work.consumer)))
        return work.outcome
    if isinstance(error, DATABASE_AWAY) and (not work.row.locked or work.row.connection_lost()):
        return _away(work.record, error)
    if not work.row.locked:
        raise error
    try:
        return charge(work, error)
    except TransitionRefused:
        log.overtaken(work.record.pk, error)
        return Outcome.NOT_DUE
    except DATABASE_AWAY as away:
        return _away(work.record, away)


def _away(record: ServiceCallRecord, error: Exception) -> Outcome:
    """Nothing is charged; the next query opens a new connection."""
    log.database_away(record.pk, error)
    if not connection.in_atomic_block:
        connection.close()
    return Outcome.DATABASE_AWAY


# --- processes that died --------------------------------------------------------------------


def charge_deaths() -> list[str]:
    """Charge the results whose handlers killed their processes on this machine since the last drain.

    Returns the calls that are still to be charged: to run them before would cost another process.
    """
    dead, uncharged = DeadResults(), []
    for path, marker in orphaned_markers():
        record = ServiceCallRecord.objects.in_persist_state(PersistState.PENDING).filter(pk=marker.call_id).first()
        if record is None or _charge_death(record, marker, dead):
            path.unlink(missing_ok=True)
        else:
            uncharged.append(marker.call_id)
    dead.announce()
    return uncharged


def _charge_death(record: ServiceCallRecord, marker: CrashMarker, dead: DeadResults) -> bool:
    """False when the result is locked by another worker, or not due: then it is charged another time."""
    work = Work(row=OutboxRow(record))
    with transaction.atomic():
        if not work.row.lock():
            return False
        deaths, limit = PersistenceDeath.objects.note(marker), persistence_settings().DOMAIN_PERSIST_MAX_DEATHS
        message = describe_deaths(deaths)
        log.died(record.pk, message)
        if marker.part:
            attempts = 1 if len(deaths) >= limit else persistence_settings().DOMAIN_PERSIST_MAX_ATTEMPTS
            PersistedPart.objects.charge(record.pk, record.schema_identity, marker.part, message, limit=attempts)
        give_up = not marker.part and len(deaths) >= limit
        outcome = record_failure(work, message, Cause(exception="WorkerDied", kind=Kind.WORKER_DIED), give_up=give_up)
        if outcome is Outcome.DEAD:
            PersistenceDeath.objects.filter(call_id=record.pk).delete()
    if outcome is Outcome.DEAD:
        dead.add(record)
    return True


def describe_deaths(deaths: Sequence[PersistenceDeath]) -> str:
    """The evidence, as an error."""
    message = f"WorkerDied: {len(deaths)} processes ended while the handler ran: {', '.join(map(str, deaths))}."
    return message[: log.MAX_ERROR]
