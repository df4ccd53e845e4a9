"""Turning stored results into domain objects: one transaction per record, each result exactly once."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from django.db import connection, transaction
from django.utils import timezone

from orchestration.engine.announce import announce_failure, sender_of
from orchestration.engine.database import DATABASE_AWAY
from orchestration.engine.faultpoints import fault
from orchestration.engine.slots import stop_requested
from orchestration.engine.submit import wake
from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.signals import ai_response_ready, payload, tell
from orchestration.tasks import beat
from orchestration.types import Response
from persistence import log
from persistence.chunks import chunk_for, fill_chunk, persist_parts
from persistence.conf import persistence_settings
from persistence.consumers import Consumer, Consumers, HandlerConsumer, with_event_loop
from persistence.deaths import Mark, marks_of_the_dead, watching
from persistence.links import Touched, merged
from persistence.models import PersistedChunk, PersistedPart, PersistenceDeath
from persistence.outcomes import Counts, Outcome
from persistence.signals import domain_object_created
from persistence.threads import ToDo, in_threads, threads_for
from persistence.upgrades import upgraded

READ_AT_ONCE = 100
"""Records whose results are in memory at once."""
NOT_STORED = "not_stored"
"""The error code of `ai_response_failed` for a result that is dead."""
BEAT_SECONDS = 5.0
"""A drain says at most this often that its worker lives."""


@dataclass(slots=True, kw_only=True)
class Work:
    """One record on its way through the drain."""

    record: ServiceCallRecord
    locked: bool = False
    attempts: int = 0
    """Failures that were charged before this run."""
    driver_connection: object = None
    """The database driver's connection that this run began on."""
    response: Response | None = None
    consumer: Consumer | None = None
    unreadable: Exception | None = None
    """Why there is no response."""
    touched: Touched = field(default_factory=Touched)
    parts: dict[str, Touched] = field(default_factory=dict)
    """By key of the part; the whole result under the empty key."""
    error: str = ""
    """Why parts are missing."""
    outcome: Outcome = Outcome.NOT_DUE
    committed: bool = False

    @property
    def component(self) -> str:
        return str(self.consumer.component.identity) if self.consumer else "none"

    @property
    def is_async(self) -> bool:
        return self.consumer is not None and self.consumer.component.is_async

    @classmethod
    def of(cls, record: ServiceCallRecord, consumers: Consumers) -> Work:
        """The record with what can be known before it is locked: a stored result does not change."""
        work = cls(record=record)
        try:
            work.response = response_of(record)
            work.consumer = consumers.of(record, work.response)
        except Exception as error:  # noqa: BLE001 - an upgrade is anybody's code; what it raises is charged
            work.unreadable = error
        return work


def drain_batch() -> Counts:
    """Persist what is due, most urgent and oldest first: at most a batch, for at most the budget of one drain.

    Stops between two records when its cluster is stopping.
    """
    settings = persistence_settings()
    deadline, next_beat = time.monotonic() + settings.DOMAIN_PERSIST_BUDGET_SECONDS, time.monotonic() + BEAT_SECONDS
    counts = Counts()

    def goes_on(_: str, outcome: Outcome) -> bool:
        nonlocal next_beat
        counts.add(outcome)
        now = time.monotonic()
        if now >= next_beat:
            beat()
            next_beat = now + BEAT_SECONDS
        return now < deadline and not stop_requested()

    charge_deaths()
    pending = ServiceCallRecord.objects.pending_persistence().values_list("pk", flat=True)
    due = list(pending[: settings.DOMAIN_PERSIST_BATCH_SIZE])
    threads = threads_for(len(due))
    suspects = PersistenceDeath.objects.suspects(due) if threads > 1 else set()
    todo = ToDo((call_id for call_id in due if call_id not in suspects), goes_on)
    _drain(todo, threads=threads)
    if not todo.stopped:
        _drain(ToDo(sorted(suspects), goes_on))
    return counts


def drain_calls(call_ids: Iterable[str]) -> dict[str, Outcome]:
    """Persist these calls now, in this thread, for a caller who waits; what fails is recorded like in any drain."""
    outcomes: dict[str, Outcome] = {}

    def goes_on(call_id: str, outcome: Outcome) -> bool:
        outcomes[call_id] = outcome
        return True

    _drain(ToDo(call_ids, goes_on))
    return outcomes


def drain_call(call_id: str) -> Outcome:
    """Persist one call's result, if it is due and nobody else is at it."""
    return drain_calls([call_id])[call_id]


def _drain(todo: ToDo, *, threads: int = 1) -> None:
    """Records in the given order, until the database is away or whoever is told the outcomes says no."""

    def take() -> None:
        consumers = Consumers()
        with watching():
            while some := todo.take(READ_AT_ONCE // threads):
                records = ServiceCallRecord.objects.in_bulk(some)
                works = {call_id: Work.of(records[call_id], consumers) for call_id in some if call_id in records}
                each = partial(_drain_each, some, works, todo)
                with_event_loop(each) if any(work.is_async for work in works.values()) else each()

    in_threads(threads, take, todo)


def _drain_each(some: list[str], works: dict[str, Work], todo: ToDo) -> None:
    for call_id in some:
        work = works.pop(call_id, None)
        outcome = drain_record(work) if work is not None else Outcome.NOT_DUE
        if not todo.tell(call_id, outcome):
            return


def drain_record(work: Work) -> Outcome:
    """Persist the result of a record that was read at any time before: what may have changed is read under the lock.

    Whatever its handler raises becomes the state of the record. What is not an Exception (the worker is being
    killed) undoes everything, charges nothing and goes on to the caller.
    """
    fault("before_drain")
    try:
        with transaction.atomic():
            # First in line, so that a hook that a handler registers cannot keep it from running.
            transaction.on_commit(lambda: after_commit(work), robust=True)
            work.outcome = persist_locked(work)
    except Exception as error:  # noqa: BLE001 - a handler may raise anything, and each is a failed attempt
        return _not_committed(work, error)
    return work.outcome


def persist_locked(work: Work) -> Outcome:
    """Everything that commits together: lock, chunk, domain rows, links, mark."""
    record, consumer, response = work.record, work.consumer, work.response
    chunk = None
    if consumer is None or response is None or consumer.splits:
        work.locked = record.lock_for_persistence()
    else:
        chunk = chunk_for(consumer, response)
        work.locked, chunk_id = record.lock_and_insert(PersistedChunk.objects.insertion(chunk))
    if not work.locked:
        return Outcome.NOT_DUE
    work.attempts, work.driver_connection = record.domain_persist_attempts, connection.connection
    if work.unreadable is not None:
        raise work.unreadable
    if response is None or consumer is None:
        return _skip(work)
    response.attach(record.related_object)
    if chunk is None:
        return _persist_parts(work, consumer, response)
    chunk, is_new = PersistedChunk.objects.opened(chunk, chunk_id)
    work.touched, statements = fill_chunk(consumer, response, chunk, is_new=is_new)
    work.parts[""] = work.touched
    fault("before_finalize")
    record.mark_persisted(along=statements)
    return Outcome.PERSISTED


def _skip(work: Work) -> Outcome:
    record = work.record
    record.mark_skipped()
    log.skipped(record.pk, record.namespace, record.schema_identity)
    return Outcome.SKIPPED


def _persist_parts(work: Work, consumer: Consumer, response: Response) -> Outcome:
    """The record is persisted when every part is; until then the parts that are commit, and the others are charged."""
    record = work.record
    if not work.attempts:  # somebody asked for it anew
        PersistedPart.objects.of_result(record.pk, response.execution_metadata.schema_identity).delete()
    parts = consumer.parts(response)
    done = persist_parts(consumer, response, parts or [], source=source_of(consumer))
    work.parts = done.touched
    work.touched = merged(done.touched.values())
    fault("before_finalize")
    if not done.error:
        record.mark_persisted()
        return Outcome.PERSISTED
    work.error = done.error
    return _record_failure(work, done.error, give_up=not done.failed)


def response_of(record: ServiceCallRecord) -> Response:
    """The stored result in the schema's present version, without its related object: that is looked up when it is
    persisted."""
    return upgraded(record.stored_response())


# --- afterwards -----------------------------------------------------------------------------


def after_commit(work: Work) -> None:
    """Tell the world, and let the next call of the ordering key run."""
    work.committed = True
    record, response, touched = work.record, work.response, work.touched
    if response is None:  # it was not due
        return
    if work.outcome not in {Outcome.PERSISTED, Outcome.SKIPPED}:  # some parts are missing
        if work.outcome is Outcome.DEAD:
            _tell_dead(record)
        return
    common = payload(record)
    if work.outcome is Outcome.PERSISTED:
        log.persisted(record.pk, work.component, touched.primary, len(touched.objects))
    primary = touched.created_primary
    if primary is not None and isinstance(work.consumer, HandlerConsumer):
        tell(domain_object_created, work.consumer.component, instance=primary, response=response, **common)
    tell(ai_response_ready, sender_of(record), response=response, objects=touched.objects, **common)
    _release(record)


def _release(record: ServiceCallRecord) -> None:
    if record.ordering_key:
        wake(record.queue)


def _tell_dead(record: ServiceCallRecord) -> None:
    """The call will not become objects by itself any more. Retrying costs nothing: the answer is stored."""
    told = record.domain_persist_error
    announce_failure(record, error_code=NOT_STORED, error=told, retryable=True)
    _release(record)


def _not_committed(work: Work, error: Exception) -> Outcome:
    """Charge the attempt, unless the database is what failed, or the error came after the commit."""
    if work.committed:
        log.hook_failed(work.record.pk, work.component, log.explain(error, source_of(work.consumer)))
        return work.outcome
    if isinstance(error, DATABASE_AWAY) and (not work.locked or _connection_lost(work)):
        return _away(work.record, error)
    if not work.locked:
        raise error
    try:
        return _charge(work, error)
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


def _charge(work: Work, error: Exception) -> Outcome:
    work.record.domain_persist_attempts = work.attempts  # what was marked before the commit failed was rolled back
    told = log.explain(error, source_of(work.consumer))
    outcome = _record_failure(work, told)
    if outcome is Outcome.DEAD:
        transaction.on_commit(lambda: _tell_dead(work.record), robust=True)
    return outcome


def _record_failure(work: Work, told: str, *, give_up: bool = False) -> Outcome:
    settings, record, attempt = persistence_settings(), work.record, work.attempts + 1
    if give_up or attempt >= settings.DOMAIN_PERSIST_MAX_ATTEMPTS:
        record.persist_failed(told, next_at=None)
        log.dead(record.pk, work.component, attempt, told)
        return Outcome.DEAD
    delay = settings.backoff(attempt)
    record.persist_failed(told, next_at=timezone.now() + timedelta(seconds=delay))
    log.failed(record.pk, work.component, attempt, told, delay)
    return Outcome.FAILED


def _connection_lost(work: Work) -> bool:
    """Leaving `atomic()`, Django may have replaced a broken connection already: then it is another one."""
    return connection.connection is not work.driver_connection or not connection.is_usable()


def source_of(consumer: Consumer | None) -> str:
    """The file of the handler or codec, to find its line in a traceback."""
    if consumer is None:
        return ""
    try:
        return inspect.getsourcefile(consumer.component) or ""
    except TypeError:
        return ""


# --- processes that died --------------------------------------------------------------------


def charge_deaths() -> None:
    """Charge the results whose handlers killed their processes on this machine since the last drain."""
    for path, mark in marks_of_the_dead():
        record = ServiceCallRecord.objects.in_persist_state(PersistState.PENDING).filter(pk=mark.call_id).first()
        if record is None or _charge_death(record, mark):
            path.unlink(missing_ok=True)


def _charge_death(record: ServiceCallRecord, mark: Mark) -> bool:
    """False when the result is in another worker's hands, or waits: then it is charged another time."""
    work = Work(record=record)
    with transaction.atomic():
        if not record.lock_for_persistence():
            return False
        work.attempts = record.domain_persist_attempts
        deaths, limit = PersistenceDeath.objects.note(mark), persistence_settings().DOMAIN_PERSIST_MAX_DEATHS
        told = told_of(deaths)
        log.died(record.pk, told)
        if mark.part:
            attempts = 1 if len(deaths) >= limit else persistence_settings().DOMAIN_PERSIST_MAX_ATTEMPTS
            PersistedPart.objects.charge(record.pk, record.schema_identity, mark.part, told, limit=attempts)
        outcome = _record_failure(work, told, give_up=not mark.part and len(deaths) >= limit)
        if outcome is Outcome.DEAD:
            PersistenceDeath.objects.filter(call_id=record.pk).delete()
            transaction.on_commit(lambda: _tell_dead(record), robust=True)
    return True


def told_of(deaths: Sequence[PersistenceDeath]) -> str:
    """The evidence, as an error."""
    told = f"WorkerDied: {len(deaths)} processes ended while the handler ran: {', '.join(map(str, deaths))}."
    return told[: log.MAX_ERROR]
