"""A failed attempt to persist a result: when it is tried again, or that it is dead, with its cause."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from django.db import connection, transaction

from orchestration.clock import database_now
from orchestration.models.states import PersistState
from orchestration.values.moments import later
from persistence import log
from persistence.causes.analysis import cause_of, noting
from persistence.causes.cause import Cause
from persistence.causes.frames import declared_at
from persistence.conf import persistence_settings
from persistence.outbox.group_rows import charge_at_once
from persistence.outbox.outcomes import Outcome
from persistence.outbox.work import Work, source_of


def charge(work: Work, error: Exception) -> Outcome:
    """Charge what its handler raised: FAILED or DEAD. TransitionRefused when the result moved on meanwhile."""
    return record_failure(work, *_explained(work, error))


def charge_together(failed: Sequence[tuple[Work, Exception]]) -> None:
    """`charge` of results whose rows this transaction has locked, in one statement where the database can: when a
    handler is broken, they come by the thousand. The works know their outcomes."""
    if connection.vendor != "postgresql" or len(failed) < 2:
        for work, error in failed:
            work.outcome = charge(work, error)
        return
    verdicts = [_verdict(work, *_explained(work, error)) for work, error in failed]
    now = database_now()
    charge_at_once([verdict.row() for verdict in verdicts], now)
    for verdict in verdicts:
        verdict.follow(now)
        verdict.log_later()
        verdict.work.outcome = verdict.outcome


def record_failure(work: Work, message: str, cause: Cause | None, *, give_up: bool = False) -> Outcome:
    """Charge an attempt that failed, in the caller's transaction if there is one. `give_up`: it is the last one."""
    verdict = _verdict(work, message, cause, give_up=give_up)
    along = [] if cause is None else [noting(work.call_id, verdict.taker, cause)]
    work.row.mark_failed(message, next_at=verdict.next_at, along=along)
    verdict.log_later()
    return verdict.outcome


def _explained(work: Work, error: Exception) -> tuple[str, Cause]:
    source = source_of(work.consumer)
    cause = cause_of(error, source)
    if not cause.frames and work.consumer is not None:
        cause = replace(cause, frames=declared_at(work.consumer.component.persist))
    return log.explain(error, source), cause


@dataclass(slots=True, kw_only=True)
class _Verdict:
    """What becomes of a failed attempt."""

    work: Work
    message: str
    cause: Cause | None
    attempt: int
    delay: float | None
    """Seconds until the next one; None: it was the last one."""
    next_at: datetime | None

    @property
    def outcome(self) -> Outcome:
        return Outcome.DEAD if self.delay is None else Outcome.FAILED

    @property
    def state(self) -> PersistState:
        return PersistState.DEAD if self.delay is None else PersistState.PENDING

    @property
    def taker(self) -> str:
        return self.work.component if self.work.consumer else str(self.work.record.schema_identity)

    def row(self) -> tuple[object, ...]:
        """Of `group_rows.CHARGE`; ValueError without a cause."""
        if self.cause is None:
            raise ValueError("Attempts are charged together only with their causes.")
        cause = self.cause.fingerprint(self.taker), json.dumps(self.cause.as_json())
        charged = self.work.row.attempts, self.state.value, self.message, self.next_at
        return self.work.call_id, *charged, self.taker, *cause

    def follow(self, now: datetime) -> None:
        """The instance follows the row."""
        record = self.work.record
        record.domain_persist_state, record.domain_persist_attempts = self.state.value, self.attempt
        record.domain_persist_error, record.next_persist_at, record.updated_at = self.message, self.next_at, now

    def log_later(self) -> None:
        """Once it is committed."""
        facts = self.work.record.pk, self.work.component, self.attempt, self.message
        write = partial(log.dead, *facts) if self.delay is None else partial(log.failed, *facts, self.delay)
        transaction.on_commit(write, robust=True)


def _verdict(work: Work, message: str, cause: Cause | None, *, give_up: bool = False) -> _Verdict:
    settings, attempt = persistence_settings(), work.row.attempts + 1
    delay = None if give_up or attempt >= settings.DOMAIN_PERSIST_MAX_ATTEMPTS else settings.backoff(attempt)
    next_at = None if delay is None else later(database_now(), delay)
    return _Verdict(work=work, message=message, cause=cause, attempt=attempt, delay=delay, next_at=next_at)
