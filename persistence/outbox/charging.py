"""A failed attempt to persist a result: when it is tried again, or that it is dead, with its cause."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from django.db import transaction

from orchestration.clock import database_now
from orchestration.values.moments import later
from persistence import log
from persistence.causes.analysis import cause_of, noting
from persistence.causes.cause import Cause
from persistence.causes.frames import declared_at
from persistence.conf import persistence_settings
from persistence.outbox.outcomes import Outcome
from persistence.outbox.work import Work, source_of


def charge(work: Work, error: Exception) -> Outcome:
    """Charge what its handler raised: FAILED or DEAD. TransitionRefused when the result moved on meanwhile."""
    source = source_of(work.consumer)
    cause = cause_of(error, source)
    if not cause.frames and work.consumer is not None:
        cause = replace(cause, frames=declared_at(work.consumer.component.persist))
    return record_failure(work, log.explain(error, source), cause)


def record_failure(work: Work, message: str, cause: Cause | None, *, give_up: bool = False) -> Outcome:
    """Charge an attempt that failed, in the caller's transaction if there is one. `give_up`: it is the last one."""
    settings, record, attempt = persistence_settings(), work.record, work.row.attempts + 1
    taker = work.component if work.consumer else record.schema_identity
    along = [] if cause is None else [noting(record.pk, taker, cause)]
    if give_up or attempt >= settings.DOMAIN_PERSIST_MAX_ATTEMPTS:
        work.row.mark_failed(message, next_at=None, along=along)
        _log_later(partial(log.dead, record.pk, work.component, attempt, message))
        return Outcome.DEAD
    delay = settings.backoff(attempt)
    work.row.mark_failed(message, next_at=later(database_now(), delay), along=along)
    _log_later(partial(log.failed, record.pk, work.component, attempt, message, delay))
    return Outcome.FAILED


def _log_later(write: partial[None]) -> None:
    """Once it is committed."""
    transaction.on_commit(write, robust=True)
