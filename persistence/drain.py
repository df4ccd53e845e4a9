"""Turning stored results into domain objects: one transaction per record, each result exactly once."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from django.db import connection, transaction
from django.utils import timezone

from orchestration.engine.announce import sender_of
from orchestration.engine.database import DATABASE_AWAY
from orchestration.engine.faultpoints import fault
from orchestration.engine.submit import wake
from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.signals import ai_response_ready, payload, tell
from orchestration.tasks import beat
from orchestration.types import Response
from persistence import log
from persistence.chunks import persist_chunk, persist_parts
from persistence.conf import persistence_settings
from persistence.consumers import Consumer, Consumers, HandlerConsumer
from persistence.handlers import Part
from persistence.links import Touched, merged
from persistence.models import PersistedPart
from persistence.signals import domain_object_created
from persistence.upgrades import upgraded

READ_AT_ONCE = 100
"""Records whose results are in memory at once."""
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

    record: ServiceCallRecord
    locked: bool = False
    attempts: int = 0
    """Failures that were charged before this run."""
    driver_connection: object = None
    """The database driver's connection that this run began on."""
    response: Response | None = None
    consumer: Consumer | None = None
    exact: bool = False
    """Read back what was stored, for a report."""
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


def drain_batch() -> Counts:
    """Persist what is due, most urgent and oldest first: at most a batch, for at most the budget of one drain."""
    settings = persistence_settings()
    deadline = time.monotonic() + settings.DOMAIN_PERSIST_BUDGET_SECONDS
    due = ServiceCallRecord.objects.pending_persistence().values_list("pk", flat=True)
    counts, next_beat = Counts(), time.monotonic() + BEAT_SECONDS
    for _, outcome in _drain(list(due[: settings.DOMAIN_PERSIST_BATCH_SIZE])):
        counts.add(outcome)
        now = time.monotonic()
        if now >= deadline:
            break
        if now >= next_beat:
            beat()
            next_beat = now + BEAT_SECONDS
    return counts


def drain_calls(call_ids: Iterable[str]) -> dict[str, Outcome]:
    """Persist these calls now, in this thread, for a caller who waits; what fails is recorded like in any drain."""
    return dict(_drain(list(call_ids)))


def drain_call(call_id: str) -> Outcome:
    """Persist one call's result, if it is due and nobody else is at it."""
    return drain_calls([call_id])[call_id]


def _drain(call_ids: list[str]) -> Iterator[tuple[str, Outcome]]:
    """Records in the given order, until the database is away."""
    consumers = Consumers()
    for start in range(0, len(call_ids), READ_AT_ONCE):
        some = call_ids[start : start + READ_AT_ONCE]
        records = ServiceCallRecord.objects.in_bulk(some)
        for call_id in some:
            record = records.pop(call_id, None)
            outcome = drain_record(record, consumers) if record is not None else Outcome.NOT_DUE
            yield call_id, outcome
            if outcome is Outcome.DATABASE_AWAY:
                return


def drain_record(record: ServiceCallRecord, consumers: Consumers) -> Outcome:
    """Persist the result of a record that was read at any time before: what may have changed is read under the lock.

    Whatever its handler raises becomes the state of the record. What is not an Exception (the worker is being
    killed) undoes everything, charges nothing and goes on to the caller.
    """
    fault("before_drain")
    work = Work(record=record)
    try:
        with transaction.atomic():
            # First in line, so that a hook that a handler registers cannot keep it from running.
            transaction.on_commit(lambda: after_commit(work), robust=True)
            work.outcome = persist_locked(work, consumers)
    except Exception as error:  # noqa: BLE001 - a handler may raise anything, and each is a failed attempt
        return _not_committed(work, error)
    return work.outcome


def persist_locked(work: Work, consumers: Consumers) -> Outcome:
    """Everything that commits together: lock, chunk, domain rows, links, mark."""
    record = work.record
    work.locked = record.lock_for_persistence()
    if not work.locked:
        return Outcome.NOT_DUE
    work.attempts, work.driver_connection = record.domain_persist_attempts, connection.connection
    response = work.response = response_of(record)
    consumer = work.consumer = consumers.of(record, response)
    if consumer is None:
        record.mark_skipped()
        log.skipped(record.pk, response.namespace, response.execution_metadata.schema_identity)
        return Outcome.SKIPPED
    parts = consumer.parts(response)
    if parts is not None:
        return _persist_parts(work, consumer, response, parts)
    work.touched = persist_chunk(consumer, response, exact=work.exact)
    work.parts[""] = work.touched
    fault("before_finalize")
    record.mark_persisted()
    return Outcome.PERSISTED


def _persist_parts(work: Work, consumer: Consumer, response: Response, parts: list[Part]) -> Outcome:
    """The record is persisted when every part is; until then the parts that are commit, and the others are charged."""
    record = work.record
    if not work.attempts:  # somebody asked for it anew
        PersistedPart.objects.of_result(record.pk, response.execution_metadata.schema_identity).delete()
    done = persist_parts(consumer, response, parts, source=source_of(work.consumer), exact=work.exact)
    work.parts = done.touched
    work.touched = merged(done.touched.values())
    fault("before_finalize")
    if not done.error:
        record.mark_persisted()
        return Outcome.PERSISTED
    work.error = done.error
    return _record_failure(work, done.error, give_up=not done.failed)


def response_of(record: ServiceCallRecord) -> Response:
    response = record.response()
    response.call_id = response.call_id or record.pk
    return upgraded(response)


# --- afterwards -----------------------------------------------------------------------------


def after_commit(work: Work) -> None:
    """Tell the world, and let the next call of the ordering key run."""
    work.committed = True
    record, response, touched = work.record, work.response, work.touched
    if response is None:  # it was not due
        return
    if work.outcome not in {Outcome.PERSISTED, Outcome.SKIPPED}:  # some parts are missing
        if work.outcome is Outcome.DEAD:
            _release(record)
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
        _release(work.record)
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
