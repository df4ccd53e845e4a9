"""Turning stored results into domain objects: one transaction per record, each result exactly once."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from django.db import connection, transaction
from django.utils import timezone

from orchestration.engine.announce import sender_of
from orchestration.engine.database import DATABASE_AWAY
from orchestration.engine.submit import wake
from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.signals import ai_response_ready, payload, tell
from orchestration.tasks import beat
from orchestration.types import Response
from persistence import links, log
from persistence.conf import persistence_settings
from persistence.consumers import Consumer, HandlerConsumer, consumer_for
from persistence.handlers import chunk_of
from persistence.links import Touched
from persistence.models import PersistedChunk
from persistence.recorder import recording
from persistence.signals import domain_object_created

BEAT_SECONDS = 5.0
"""A drain says at most this often that its worker lives."""


class Outcome(StrEnum):
    """What became of one record in one drain."""

    PERSISTED = "persisted"
    SKIPPED = "skipped"
    FAILED = "failed"
    DEAD = "dead"
    NOT_DUE = "not due"
    """Not pending, not due yet, or in the hands of another worker."""
    DATABASE_AWAY = "database away"
    """Nothing was charged; the record is still pending."""


@dataclass(slots=True)
class Counts:
    """What one drain did; `processed` counts persisted results, `failed` those that are dead now, too."""

    claimed: int = 0
    processed: int = 0
    failed: int = 0
    skipped: int = 0

    def __iadd__(self, other: Counts) -> Counts:
        self.claimed += other.claimed
        self.processed += other.processed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def add(self, outcome: Outcome) -> None:
        self.claimed += outcome is not Outcome.NOT_DUE
        self.processed += outcome is Outcome.PERSISTED
        self.failed += outcome in {Outcome.FAILED, Outcome.DEAD}
        self.skipped += outcome is Outcome.SKIPPED


@dataclass(slots=True, kw_only=True)
class Work:
    """One record on its way through the drain."""

    record: ServiceCallRecord | None = None
    attempts: int = 0
    """Failures that were charged before this run."""
    driver_connection: object = None
    """The database driver's connection that this run began on."""
    response: Response | None = None
    consumer: Consumer | None = None
    touched: Touched = field(default_factory=Touched)
    outcome: Outcome = Outcome.NOT_DUE
    committed: bool = False

    @property
    def component(self) -> str:
        return str(self.consumer.component.identity) if self.consumer else "none"


def drain_batch() -> Counts:
    """Persist what is due, most urgent and oldest first: at most a batch, for at most the budget of one drain."""
    settings = persistence_settings()
    deadline = time.monotonic() + settings.DOMAIN_PERSIST_BUDGET_SECONDS
    due = ServiceCallRecord.objects.pending_persistence().values_list("pk", flat=True)
    counts, next_beat = Counts(), time.monotonic() + BEAT_SECONDS
    for call_id in list(due[: settings.DOMAIN_PERSIST_BATCH_SIZE]):
        outcome = drain_call(call_id)
        counts.add(outcome)
        now = time.monotonic()
        if outcome is Outcome.DATABASE_AWAY or now >= deadline:
            break
        if now >= next_beat:
            beat()
            next_beat = now + BEAT_SECONDS
    return counts


def drain_calls(call_ids: Iterable[str]) -> dict[str, Outcome]:
    """Persist these calls now, in this thread, for a caller who waits; what fails is recorded like in any drain."""
    outcomes: dict[str, Outcome] = {}
    for call_id in call_ids:
        outcomes[call_id] = drain_call(call_id)
        if outcomes[call_id] is Outcome.DATABASE_AWAY:
            break
    return outcomes


def drain_call(call_id: str) -> Outcome:
    """Persist one call's result, if it is due and nobody else is at it.

    Whatever its handler raises becomes the state of the record. What is not an Exception (the worker is being
    killed) undoes everything, charges nothing and goes on to the caller.
    """
    work = Work()
    try:
        with transaction.atomic():
            # First in line, so that a hook that a handler registers cannot keep it from running.
            transaction.on_commit(lambda: _after_commit(work), robust=True)
            work.outcome = _persist(call_id, work)
    except Exception as error:  # noqa: BLE001 - a handler may raise anything, and each is a failed attempt
        return _not_committed(call_id, work, error)
    return work.outcome


def _persist(call_id: str, work: Work) -> Outcome:
    """Everything that commits together: lock, chunk, domain rows, links, mark."""
    record = work.record = _lock(call_id)
    if record is None:
        return Outcome.NOT_DUE
    work.attempts, work.driver_connection = record.domain_persist_attempts, connection.connection
    response = work.response = _response_of(record)
    consumer = work.consumer = consumer_for(record, response)
    if consumer is None:
        record.mark_skipped()
        log.skipped(record.pk, response.namespace, response.execution_metadata.schema_identity)
        return Outcome.SKIPPED
    chunk, is_new = PersistedChunk.objects.open(_chunk_for(consumer, response))
    if not is_new and chunk.is_complete:
        work.touched = _persisted_before(chunk)
    else:
        work.touched = _run(consumer, chunk, response, is_new=is_new)
    record.mark_persisted()
    return Outcome.PERSISTED


def _lock(call_id: str) -> ServiceCallRecord | None:
    """The record, locked, if it is still due. (NO KEY: rows that refer to it may be written meanwhile.)"""
    due = ServiceCallRecord.objects.pending_persistence().filter(pk=call_id).order_by()
    return due.select_for_update(skip_locked=True, of=("self",), no_key=True).first()


def _response_of(record: ServiceCallRecord) -> Response:
    response = record.response()
    response.call_id = response.call_id or record.pk
    return response


def _chunk_for(consumer: Consumer, response: Response) -> PersistedChunk:
    component = consumer.component
    return chunk_of(response, handler_identity=str(component.identity), handler_fingerprint=component.fingerprint)


def _run(consumer: Consumer, chunk: PersistedChunk, response: Response, *, is_new: bool) -> Touched:
    if not is_new:  # a handler outside the drain opened it and did not get to its end
        chunk.handler_identity = str(consumer.component.identity)
        chunk.handler_fingerprint = consumer.component.fingerprint
    with recording() as recorder:
        produced = consumer.run(chunk, response)
    touched = links.gather(chunk, produced.links, produced.returned, recorder)
    links.write(chunk, touched, is_new=is_new)
    return touched


def _persisted_before(chunk: PersistedChunk) -> Touched:
    """What an earlier run made, without its actions: nothing was created now."""
    log.persisted_before(chunk.call_id, chunk.schema_identity)
    rows = chunk.objects_touched.prefetch_related("domain_object")
    return Touched(objects=[row.domain_object for row in rows if row.domain_object is not None])


# --- afterwards -----------------------------------------------------------------------------


def _after_commit(work: Work) -> None:
    """Tell the world, and let the next call of the ordering key run."""
    work.committed = True
    record, response = work.record, work.response
    if record is None or response is None:
        return
    primary = work.touched.created_primary
    if work.outcome is Outcome.PERSISTED:
        log.persisted(record.pk, work.component, work.touched.primary, len(work.touched.objects))
    if primary is not None and isinstance(work.consumer, HandlerConsumer):
        sender = work.consumer.component
        tell(domain_object_created, sender, instance=primary, response=response, **payload(record))
    objects = work.touched.objects
    tell(ai_response_ready, sender_of(record), response=response, objects=objects, **payload(record))
    _release(record)


def _release(record: ServiceCallRecord) -> None:
    if record.ordering_key:
        wake(record.queue)


def _not_committed(call_id: str, work: Work, error: Exception) -> Outcome:
    """Charge the attempt, unless the database is what failed, or the error came after the commit."""
    if work.committed:
        log.hook_failed(call_id, work.component, log.explain(error, _source_of(work)))
        return work.outcome
    if isinstance(error, DATABASE_AWAY) and (work.record is None or _connection_lost(work)):
        return _away(call_id, error)
    if work.record is None:
        raise error
    try:
        return _charge(work.record, work, error)
    except TransitionRefused:
        log.overtaken(call_id, error)
        return Outcome.NOT_DUE
    except DATABASE_AWAY as away:
        return _away(call_id, away)


def _away(call_id: str, error: Exception) -> Outcome:
    """Nothing is charged; the next query opens a new connection."""
    log.database_away(call_id, error)
    if not connection.in_atomic_block:
        connection.close()
    return Outcome.DATABASE_AWAY


def _charge(record: ServiceCallRecord, work: Work, error: Exception) -> Outcome:
    settings = persistence_settings()
    record.domain_persist_attempts = work.attempts  # what was marked before the commit failed was rolled back
    attempt = work.attempts + 1
    told = log.explain(error, _source_of(work))
    if attempt >= settings.DOMAIN_PERSIST_MAX_ATTEMPTS:
        record.persist_failed(told, next_at=None)
        log.dead(record.pk, work.component, attempt, told)
        _release(record)
        return Outcome.DEAD
    delay = settings.backoff(attempt)
    record.persist_failed(told, next_at=timezone.now() + timedelta(seconds=delay))
    log.failed(record.pk, work.component, attempt, told, delay)
    return Outcome.FAILED


def _connection_lost(work: Work) -> bool:
    """Leaving `atomic()`, Django may have replaced a broken connection already: then it is another one."""
    return connection.connection is not work.driver_connection or not connection.is_usable()


def _source_of(work: Work) -> str:
    """The file of the handler or codec, to find its line in a traceback."""
    if work.consumer is None:
        return ""
    try:
        return inspect.getsourcefile(work.consumer.component) or ""
    except TypeError:
        return ""
