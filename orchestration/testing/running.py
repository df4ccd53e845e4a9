"""What workers do, done here and now: in this thread and on this connection, inside the transaction of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.db import connection
from django.test import TestCase

from orchestration import signals
from orchestration.clock import database_now
from orchestration.engine.worker.loop import WorkerLoop
from orchestration.models import RateLimit, ServiceCallRecord

MOST_ROUNDS = 1000
"""Then calls that submit each other are taken for an endless chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What a drain did."""

    calls: int
    """How many were run; one that was run again after a failure counts again."""
    results: int
    """How many results were persisted, skipped or given up."""


def drain(*, scheduled: bool = False) -> Drained:
    """Run every due call and persist every due result, and what follows from them, until nothing is due.

    `scheduled`: also what is due later, without waiting for it: planned calls, retries of calls and of handlers, what a
    provider asked to wait for. Calls that are paused, rate-limited, behind an open circuit or not in turn stay queued,
    as with a worker. Failures are recorded on the call, as with a worker; `assert_persisted` shows them. Inside a
    TestCase, whose transaction never commits, what the engine does after its commits (signals, for one) is done all the
    same. In asynchronous tests: `await sync_to_async(drain)()`.

    RuntimeError: calls submit others without end.
    """
    calls = results = 0
    for _ in range(MOST_ROUNDS):
        if scheduled:
            _make_due()
        ran, (tried, done) = run_calls(), _persist()
        calls, results = calls + ran, results + done
        if not (ran or tried):
            return Drained(calls=calls, results=results)
    raise RuntimeError(f"After {MOST_ROUNDS} rounds there are still calls that are due: do they submit each other?")


def run_calls() -> int:
    """Run every due call, but persist no result: results wait, as for the drain of a worker; returns calls run.

    For tests that look at a call between its answer and its rows. Receivers of signals may submit calls, which are run.
    """
    with _as_if_committed():
        return async_to_sync(WorkerLoop(stopping=lambda: False).run_until_idle)().claimed


def _persist() -> tuple[int, int]:
    """Persist what is due, as for an immediate caller; returns how many results are no longer due, and how many of
    them no longer wait: the others failed, and will be tried later."""
    due = set(ServiceCallRecord.objects.pending_persistence().values_list("pk", flat=True))
    if due:
        with _as_if_committed():
            signals.dispatch(signals.results_stored, None, call_ids=sorted(due), immediate=True)
    still = due & set(ServiceCallRecord.objects.pending_persistence().values_list("pk", flat=True))
    waiting = ServiceCallRecord.objects.waiting_for_persistence().filter(pk__in=due).count()
    return len(due) - len(still), len(due) - waiting


def _make_due() -> None:
    """As if the time had passed."""
    now = database_now()
    ServiceCallRecord.objects.queued().filter(due_at__gt=now).update(due_at=now)
    ServiceCallRecord.objects.waiting_for_persistence().filter(next_persist_at__gt=now).update(next_persist_at=now)
    RateLimit.objects.filter(blocked_until__gt=now).update(blocked_until=None)


@contextmanager
def _as_if_committed() -> Iterator[None]:
    """Run what the block leaves for after the commit, where the open transaction is a TestCase's and never commits."""
    innermost: Any = connection.atomic_blocks[-1] if connection.atomic_blocks else None
    if innermost is not None and innermost._from_testcase:
        with TestCase.captureOnCommitCallbacks(execute=True):
            yield
    else:
        yield
