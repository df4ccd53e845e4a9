"""How a claimed call ends, or is queued again: the last write of its worker about it."""

from __future__ import annotations

import logging
from dataclasses import replace

from orchestration.clock import database_now
from orchestration.components.registry import services
from orchestration.components.service import Service
from orchestration.conf import engine_settings
from orchestration.engine.execution.answer_storage import store_kept
from orchestration.engine.execution.commands import AbandonRequest, AbandonRuns, ChargeFailure, NextRoute, Settle
from orchestration.engine.execution.context import CallContext, Interruption
from orchestration.engine.execution.fallback import (
    first_route,
    follow,
    go_on_now,
    is_worth_another_round,
    next_route,
)
from orchestration.engine.execution.result_takers import first_state
from orchestration.errors import (
    CallCancelled,
    CallError,
    NotStorable,
    ProviderError,
    PutOff,
    StaleLease,
    WaitsForApproval,
    WrittenByNewerVersion,
)
from orchestration.log import describe
from orchestration.models.states import Status
from orchestration.providers.retry_after import granted
from orchestration.types import JsonObject, Response
from orchestration.values.moments import later
from orchestration.values.sanitize import legible

logger = logging.getLogger(__name__)


async def succeed(call: CallContext, response: Response, result: JsonObject) -> None:
    end = Settle(
        lease=call.lease,
        record=call.record,
        status=Status.SUCCEEDED,
        response=response,
        result=result,
        failures=call.failures,
        provider=response.provider,
        model=response.model,
        persist=first_state(call.record, response),
        answer=call.kept,
    )
    try:
        await call.write(end)
    except NotStorable:  # the result, or the answer that was kept: an answer is stored whatever became of the result
        if call.kept is None:
            raise
        await store_kept(call)
        await call.write(replace(end, answer=None))
    call.kept, call.in_flight, call.error = None, False, None


async def fail(call: CallContext, error: CallError) -> float | None:
    """Settle as failed or queue for later; the seconds to wait when this worker itself tries again."""
    call.error = error
    if isinstance(error, WrittenByNewerVersion):
        logger.warning("left to a newer version call_id=%s error=%s", call.lease.call_id, error)
    if isinstance(error, PutOff):
        await _put_off(call, error)
        return None
    await _abandon_request(call)
    route = await _other_route(call, error)
    delay: float | None = 0.0
    if route is None:
        call.failures += 1
        delay = _delay(call, error)
        route = None if delay is None else first_route(call.record)
    logger.warning(
        "attempt failed call_id=%s attempt=%s code=%s retry_in=%s",
        call.lease.call_id, call.attempt, error.code, delay,
    )  # fmt: skip
    if delay is not None and call.runtime.immediate:
        await _go_on_in_place(call, error, route)
        return delay
    if delay is None:
        await _abandon_runs(call)
    await call.write(_failed(call, error, delay, route))
    return None


async def _other_route(call: CallContext, error: CallError) -> NextRoute | None:
    """The route on which it continues at once, uncharged; None when there is no such route."""
    route = next_route(call.record, error)
    if route is not None and call.runtime.immediate:
        return await go_on_now(call, route)
    call.moved = route is not None
    return route


async def _go_on_in_place(call: CallContext, error: CallError, route: NextRoute | None) -> None:
    await call.write(ChargeFailure(lease=call.lease, record=call.record, failures=call.failures, route=route))
    call.record.retryable = is_worth_another_round(call.record, error)
    if route is not None:
        follow(call.record, route)


def _failed(call: CallContext, error: CallError, delay: float | None, route: NextRoute | None) -> Settle:
    """The end of a failed attempt: for good, or until the next one in `delay` seconds."""
    return Settle(
        lease=call.lease,
        record=call.record,
        status=Status.FAILED if delay is None else Status.QUEUED,
        due_at=None if delay is None else later(database_now(), delay),
        error=legible(str(error), 1000),
        error_code=legible(error.code, 64),
        retryable=is_worth_another_round(call.record, error),
        failures=call.failures,
        provider=call.request.provider if call.request else "",
        model=call.request.model if call.request else "",
        route=route,
    )


async def _put_off(call: CallContext, error: PutOff) -> None:
    """Queue it again as it is, uncharged: a stored answer stays the next worker's to use."""
    runs = error.runs if isinstance(error, WaitsForApproval) else frozenset()
    call.moved = bool(runs)
    await call.write(
        Settle(
            lease=call.lease,
            record=call.record,
            status=Status.QUEUED,
            validated=False,
            due_at=later(database_now(), error.seconds),
            error=str(error),
            error_code=error.code,
            retryable=True,
            failures=call.failures,
            waits_for=runs,
        ),
    )


def _delay(call: CallContext, error: CallError) -> float | None:
    service: type[Service] | None = services.try_get(call.record.service_identity)
    policy = (service and service.retry) or engine_settings().retry
    policy = replace(policy, max_attempts=call.record.max_attempts)
    retry_after = granted(error.retry_after) if isinstance(error, ProviderError) else None
    if not error.retryable and is_worth_another_round(call.record, error):
        error = CallError(code=error.code, retryable=True)
    return policy.decide(error, call.failures, retry_after=retry_after)


async def _abandon_request(call: CallContext) -> None:
    """A request that was sent and has no answer yet: its answer will stay unknown. One that was kept is stored."""
    await store_kept(call)
    if call.request is not None and call.in_flight:
        await call.write(AbandonRequest(lease=call.lease, record=call.record, request=call.request))
        call.in_flight = False


async def _abandon_runs(call: CallContext) -> None:
    """Of tools that were begun and are not run to their end, because the call ends."""
    if call.conversation is not None:
        await call.write(AbandonRuns(lease=call.lease, record=call.record))


async def end_broken(call: CallContext, error: Exception) -> None:
    """Settle without the text of the error, because the error may be what cannot be stored."""
    call.error = CallError(f"The engine raised {describe(error)}.", code="internal_error")
    try:
        await _abandon_request(call)
        await _abandon_runs(call)
        await call.write(
            Settle(
                lease=call.lease,
                record=call.record,
                status=Status.FAILED,
                error=str(call.error),
                error_code=call.error.code,
                failures=call.failures,
            ),
        )
    except StaleLease:
        logger.warning("stale write rejected call_id=%s token=%s", call.lease.call_id, call.lease.token)


async def interrupted(call: CallContext) -> None:
    """The worker loop, or the caller, stopped this call: record the end of its request, then settle or give it back."""
    if call.interruption is Interruption.LOST:
        return
    given_back = call.interruption is Interruption.GIVEN_BACK
    call.error = CallCancelled()
    try:
        await _abandon_request(call)
        if not given_back:
            await _abandon_runs(call)
        await call.write(
            Settle(
                lease=call.lease,
                record=call.record,
                status=Status.QUEUED if given_back else Status.CANCELLED,
                validated=not given_back,
                due_at=database_now() if given_back else None,
                failures=call.failures,
                error=None if given_back else str(call.error),
                error_code="" if given_back else CallCancelled.code,
            ),
        )
    except StaleLease:
        logger.warning("stale write rejected call_id=%s token=%s", call.lease.call_id, call.lease.token)
