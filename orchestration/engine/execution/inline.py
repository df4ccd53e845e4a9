"""Running a call inline, for a caller who waits: same rows, same steps, same persistence as a queued one."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import prefetch_related_objects

from orchestration import signals
from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.engine.execution.context import CallContext, Interruption, Providers, Runtime
from orchestration.engine.execution.events import IMMEDIATE
from orchestration.engine.execution.executor import run_call
from orchestration.engine.execution.group_commit import GroupCommit
from orchestration.engine.leases.renewal import LeaseKeeper, Renewal
from orchestration.engine.queue.bulk_updates import update_routes
from orchestration.engine.queue.claim import worker_name
from orchestration.engine.queue.database_thread import DATABASE_AWAY, in_database, is_away
from orchestration.engine.queue.enqueue import CallSpec, build_record, store
from orchestration.engine.throttling.admission import admit_now
from orchestration.engine.throttling.snapshot import Limits
from orchestration.errors import CallError, CallHeld, IdempotencyConflict, InvalidCall, OutOfSight
from orchestration.models import ServiceCallRecord
from orchestration.models.calls import STAYS
from orchestration.models.states import PersistState, Status
from orchestration.types import Response

ASK_AGAIN_SECONDS = 0.1
"""How often a caller who waits for a rate limit asks again, at most."""


async def run_immediately(spec: CallSpec) -> Any:
    """Run a call now; returns its Response (or what an overridden `execute()` returned).

    Raises InvalidCall, or another refusal, before the call runs, a CallError (with `call_id`) when it fails. A repeated
    idempotency key gives the stored Response. Where a rate limit is used up it waits, at most as long as a request may
    take; then, and at once when the call is paused or the provider's circuit is open, it raises CallHeld. OutOfSight
    when the database goes away once the call is stored.
    """
    limits = Limits()
    record, is_new = await _admitted(spec, limits)
    try:
        if not is_new:
            return await in_database(_earlier_answer, record)
        call = await _run(record, limits)
        summary = await in_database(_announce, record.pk) if call.error is None else None
    except DATABASE_AWAY as error:
        if not is_away(error):
            raise
        raise _with_id(OutOfSight(), record.pk) from error
    if call.error is not None:
        raise _with_id(call.error, record.pk)
    if isinstance(call.value, Response):
        call.value._summary = summary
    return call.value


async def _admitted(spec: CallSpec, limits: Limits) -> tuple[ServiceCallRecord, bool]:
    deadline = time.monotonic() + engine_settings().REQUEST_TIMEOUT_SECONDS
    while True:
        try:
            return await in_database(_start, spec, limits)
        except CallHeld as held:
            if held.code != "rate_limited" or held.seconds is None or time.monotonic() + held.seconds > deadline:
                raise
            await asyncio.sleep(max(held.seconds, ASK_AGAIN_SECONDS))


async def _run(record: ServiceCallRecord, limits: Limits) -> CallContext:
    async with GroupCommit(gather_seconds=0, limits=limits) as group_commit, Providers() as providers:
        call = CallContext(
            record=record,
            runtime=Runtime(
                group_commit=group_commit, providers=providers, immediate=True, admit=partial(_admit, limits=limits)
            ),
        )
        work = asyncio.create_task(run_call(call))
        with LeaseKeeper(record.worker, partial(_interrupt, call, work)) as keeper:
            keeper.hold([call.lease])
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                work.cancel()
                await work
                raise
    return call


def _interrupt(call: CallContext, work: asyncio.Task[None], renewal: Renewal) -> None:
    if work.done() or not (renewal.cancel or renewal.lost):
        return
    call.interruption = Interruption.CANCELLED if renewal.cancel else Interruption.LOST
    work.cancel()


def _start(spec: CallSpec, limits: Limits) -> tuple[ServiceCallRecord, bool]:
    """The row, running from the start under this process' lease; False when an earlier row has its key."""
    if spec.ordering_key or spec.run_at:
        raise InvalidCall("A call with ordering_key or run_at waits its turn: use enqueue().")
    record = build_record(spec)
    now = database_now()
    record.status, record.started_at = Status.RUNNING, now
    record.lease_token, record.lease_expires_at = 1, now + timedelta(seconds=engine_settings().LEASE_SECONDS)
    record.worker, record.dispatch = worker_name(), {"mode": IMMEDIATE, **({} if spec.persist else STAYS)}
    with transaction.atomic():
        stored = store([record])[0]
        if stored is record and admit_now(record, limits):
            update_routes([record])
    prefetch_related_objects([stored], "related_object")  # queries are not allowed in the event loop
    return stored, stored is record


def _admit(record: ServiceCallRecord, limits: Limits) -> None:
    """Let a running call continue on another of its routes, which its own worker writes; CallHeld."""
    with transaction.atomic():
        admit_now(record, limits)


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
    returned = signals.dispatch(signals.results_stored, None, call_ids=[call_id], immediate=True)
    return next((summaries[call_id] for summaries in returned if summaries and call_id in summaries), None)
