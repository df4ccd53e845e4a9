"""What is said of a result once it is committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestration.engine.failure_event import announce_failure, announce_without_result, sender_of
from orchestration.engine.queue.transport import wake
from orchestration.isolation import isolated
from orchestration.models import ServiceCallRecord
from orchestration.signals import ai_response_ready, dispatch
from persistence import log
from persistence.handlers.adapters import HandlerConsumer
from persistence.outbox.outcomes import Outcome
from persistence.outbox.work import Work, source_of
from persistence.signals import domain_object_created, result_held

NOT_STORED = "not_stored"
"""The error code of `ai_response_failed` for a result that is dead."""
MOST_DEAD = 100
"""Dead results that are announced together."""
DEAD_SECONDS = 1.0
"""How long the announcement of a dead result waits for others while the drain continues."""


def after_commit(work: Work) -> None:
    """Send the signals, and let the next call of the ordering key run."""
    work.committed = True
    record, response, touched = work.record, work.response, work.touched
    if response is None:  # it was not due
        return
    if work.outcome is Outcome.HELD:
        _announce_held(work)
        return
    if work.outcome not in {Outcome.PERSISTED, Outcome.SKIPPED}:  # some parts are missing
        return
    common = record.signal_payload()
    if work.outcome is Outcome.PERSISTED:
        log.persisted(record.pk, work.component, touched.primary, len(touched.objects))
    primary = touched.created_primary
    if primary is not None and isinstance(work.consumer, HandlerConsumer):
        dispatch(domain_object_created, work.consumer.component, instance=primary, response=response, **common)
    dispatch(ai_response_ready, sender_of(record), response=response, objects=touched.objects, **common)
    release(record)


def _announce_held(work: Work) -> None:
    hold, record = work.held, work.record
    if hold is not None:
        log.held(record.pk, hold.pk, hold.trigger)
        common = record.signal_payload()
        dispatch(result_held, sender_of(record), hold_id=hold.pk, trigger=hold.trigger, reason=hold.reason, **common)
    release(record)


def release(record: ServiceCallRecord) -> None:
    """Let the next call of its ordering key run, if it has one."""
    if record.ordering_key:
        wake(record.queue)


def isolate_hooks(work: Work, savepoint: str, connection: BaseDatabaseWrapper) -> None:
    """Let a hook of this result that raises keep only the later ones of the same result from running."""
    stopped = False

    def run_isolated(hook: Callable[[], object]) -> None:
        nonlocal stopped
        if stopped:
            return
        with isolated() as run:
            hook()
        if run.error is not None:
            stopped = True
            log.hook_failed(work.record.pk, work.component, log.explain(run.error, source_of(work.consumer)))

    hooks: list[Any] = connection.run_on_commit  # of (savepoints, hook, whether it is robust)
    for position, (savepoints, hook, robust) in enumerate(hooks):
        if savepoint in savepoints and not robust:
            hooks[position] = (savepoints, partial(run_isolated, hook), True)


class DeadResults:
    """The results that die in one thread of a drain, announced some at a time: when many die, who waits for them
    looks at the rows of all together. A result that is announced is no longer persisted by itself; retrying it costs
    nothing, because the answer is stored."""

    def __init__(self) -> None:
        self._records: list[ServiceCallRecord] = []
        self._since = 0.0

    def add(self, record: ServiceCallRecord) -> None:
        """One whose death was written, in this transaction if there is one."""
        self._since = self._since if self._records else time.monotonic()
        self._records.append(record)
        if len(self._records) >= MOST_DEAD:
            self.announce()

    def announce_late(self) -> None:
        """Announce them, if the first one has waited long."""
        if self._records and time.monotonic() - self._since > DEAD_SECONDS:
            self.announce()

    def announce(self) -> None:
        """Announce them when they are committed."""
        records, self._records = self._records, []
        if records:
            transaction.on_commit(partial(_announce_dead, records), robust=True)


def _announce_dead(records: Sequence[ServiceCallRecord]) -> None:
    for record in records:
        announce_failure(record, error_code=NOT_STORED, error=record.domain_persist_error, retryable=True)
    announce_without_result(records)
    for queue in {record.queue for record in records if record.ordering_key}:
        wake(queue)
