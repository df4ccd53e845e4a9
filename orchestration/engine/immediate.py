"""Running a call at once, for a caller who waits: same rows, same steps, same persistence as a queued one."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone

from orchestration import signals
from orchestration.conf import engine_settings
from orchestration.engine.announce import IMMEDIATE
from orchestration.engine.claim import renew, worker_name
from orchestration.engine.database import DATABASE_AWAY, in_database
from orchestration.engine.execute import open_session, run_call
from orchestration.engine.gate import admit_now
from orchestration.engine.journal import Journal
from orchestration.engine.limits import Limits
from orchestration.engine.session import CallSession, Interruption, Providers, Runtime
from orchestration.engine.submit import CallSpec, build_record, store
from orchestration.errors import CallError, CallHeld, IdempotencyConflict, InvalidCall
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.types import Response

LOOK_AGAIN_SECONDS = 0.1
"""How often a caller who waits for a rate limit asks again, at most."""


async def run_immediately(spec: CallSpec) -> Any:
    """Run a call now; returns its Response (or what an overridden `execute()` returned).

    Raises InvalidCall and its kin when the call is refused, a CallError (with `call_id`) when it fails. A repeated
    idempotency key gives the stored Response. Where a rate limit is used up it waits, at most as long as a request may
    take; then, and at once when the call is paused or the provider's circuit is open, it raises CallHeld.
    """
    limits = Limits()
    record, is_new = await _admitted(spec, limits)
    if not is_new:
        return await in_database(_earlier_answer, record)
    session = await _run(record, limits)
    if session.error is not None:
        raise _with_id(session.error, record.pk)
    summary = await in_database(_announce, record.pk)
    if isinstance(session.value, Response):
        session.value._summary = summary
    return session.value


async def _admitted(spec: CallSpec, limits: Limits) -> tuple[ServiceCallRecord, bool]:
    deadline = time.monotonic() + engine_settings().REQUEST_TIMEOUT_SECONDS
    while True:
        try:
            return await in_database(_start, spec, limits)
        except CallHeld as held:
            if held.code != "rate_limited" or held.seconds is None or time.monotonic() + held.seconds > deadline:
                raise
            await asyncio.sleep(max(held.seconds, LOOK_AGAIN_SECONDS))


async def _run(record: ServiceCallRecord, limits: Limits) -> CallSession:
    async with Journal(gather_seconds=0, limits=limits) as journal, Providers() as providers:
        session = open_session(record, Runtime(journal=journal, providers=providers, immediate=True))
        work = asyncio.create_task(run_call(session))
        keeper = asyncio.create_task(_keep(session, work))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            work.cancel()
            await work
            raise
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
    return session


async def _keep(session: CallSession, work: asyncio.Task[None]) -> None:
    while True:
        await asyncio.sleep(engine_settings().RENEW_SECONDS)
        try:
            held, cancel = await in_database(renew, session.record.worker, [session.lease.call_id])
        except DATABASE_AWAY:
            continue
        if session.lease.call_id in cancel:
            session.interruption = Interruption.CANCELLED
            work.cancel()
        elif session.lease not in held:
            session.interruption = Interruption.LOST
            work.cancel()


def _start(spec: CallSpec, limits: Limits) -> tuple[ServiceCallRecord, bool]:
    """The row, running from the start under this process' lease; False when an earlier row has its key."""
    if spec.ordering_key or spec.run_at:
        raise InvalidCall("A call with ordering_key or run_at waits its turn: use enqueue().")
    record = build_record(spec)
    now = timezone.now()
    record.status, record.started_at = Status.RUNNING, now
    record.lease_token, record.lease_expires_at = 1, now + timedelta(seconds=engine_settings().LEASE_SECONDS)
    record.worker, record.dispatch = worker_name(), {"mode": IMMEDIATE}
    with transaction.atomic():
        stored = store([record])[0]
        if stored is record:
            admit_now(record, limits)
    prefetch_related_objects([stored], "related_object")  # the event loop may not ask the database
    return stored, stored is record


def _earlier_answer(record: ServiceCallRecord) -> Any:
    if record.status == Status.SUCCEEDED:
        return record.response()
    if not record.is_terminal:
        raise IdempotencyConflict(f"Call {record.pk} with this idempotency key is still {record.status}.")
    raise _with_id(CallError(record.error, code=record.error_code, retryable=record.retryable), record.pk)


def _with_id(error: Exception, call_id: str) -> Exception:
    if isinstance(error, CallError):
        error.call_id = call_id
    return error


def _announce(call_id: str) -> Any:
    """Hand the stored result to persistence while the caller waits, so that it finds the rows; returns the summary."""
    pending = ServiceCallRecord.objects.filter(pk=call_id, domain_persist_state=PersistState.PENDING)
    if not pending.exists():
        return None
    told = signals.tell(signals.results_stored, None, call_ids=[call_id], immediate=True)
    return next((summaries[call_id] for summaries in told if summaries and call_id in summaries), None)
