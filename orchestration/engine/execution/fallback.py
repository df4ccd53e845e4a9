"""Where a call goes after a failed attempt: to its next route at once; when none is left, to its first one later.

An attempt that failed on a route with another one behind it is not charged. Once every route was asked, one failure is
charged, and the retry policy says when the next round begins.
"""

from __future__ import annotations

from orchestration.engine.execution.commands import NextRoute
from orchestration.engine.execution.context import CallContext
from orchestration.engine.queue.database_thread import in_database
from orchestration.engine.throttling.open_routes import plan_of_call
from orchestration.errors import CallError, CallHeld
from orchestration.models import ServiceCallRecord
from orchestration.routes import Route


def next_route(record: ServiceCallRecord, error: CallError) -> NextRoute | None:
    """The route on which a call continues after this error; None when it tried them all, or ends with such an error."""
    plan = plan_of_call(record)
    if plan is None or error.code not in plan.on:
        return None
    failed = plan.asked(record.route)
    left = plan.without(record.routes_left or 0, failed)
    others = plan.allowed(left)
    return NextRoute(*others[0], left, record.and_reason(f"{failed}: {error.code}")) if others else None


def first_route(record: ServiceCallRecord) -> NextRoute | None:
    """Where the next round begins; None for a call that has one route."""
    plan = plan_of_call(record)
    return None if plan is None else NextRoute(*plan.begin(), plan.all, None)


def is_worth_another_round(record: ServiceCallRecord, error: CallError) -> bool:
    """Whether this error, or what another route said in this round, may be gone later."""
    plan = plan_of_call(record)
    began = plan is not None and record.routes_left != plan.all
    return error.retryable or (began and record.retryable)


async def go_on_now(call: CallContext, route: NextRoute) -> NextRoute | None:
    """For a caller who waits: continue the call on this route, or on one behind it; None when all are held."""
    record = call.record
    before = NextRoute(*record.route, record.routes_left or 0, record.route_reason)
    follow(record, route)
    try:
        await in_database(call.runtime.admit, record)
    except CallHeld:
        follow(record, before)
        return None
    return NextRoute(*record.route, route.routes_left, record.route_reason)


def follow(record: ServiceCallRecord, route: NextRoute) -> None:
    """The instance as its row will be."""
    record.client, record.model_requested, record.routes_left, record.route_reason = route


def destination(record: ServiceCallRecord) -> Route | None:
    """The route that a call with several asks now; None for a call that has one."""
    plan = plan_of_call(record)
    return None if plan is None else plan.asked(record.route)
