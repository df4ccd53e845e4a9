"""REST about approvals: the queue, one item with the rows it would write, and decisions."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from ninja import Query, Router

from orchestration.access_log import log_content_access
from orchestration.api.errors import ApiError, found, refused_as
from orchestration.api.permissions import (
    DECIDE,
    READ,
    WRITE,
    ApiRequest,
    for_any_api,
    link,
    may_read_content,
    needs,
    refusals,
    require_permission,
    require_scope,
)
from orchestration.api.row_pages import page_shown
from orchestration.api.schemas import error_responses
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject
from persistence.approval import decisions
from persistence.approval.api_schemas import (
    AnswerIn,
    AssignIn,
    DecidedOut,
    DecisionIn,
    FiguresFilter,
    FiguresOut,
    HoldFilter,
    HoldOut,
    HoldPage,
    PreviewOut,
)
from persistence.approval.decisions import Decided, DecisionOutcome
from persistence.approval.figures import approval_figures
from persistence.approval.rights import VIEW, check_permissions, why_not
from persistence.approval.showing import answers_of
from persistence.errors import DecisionRefused, InvalidDecision, MayNotDecide, NotPersistable
from persistence.models.approval import URGENCY, Hold, HoldState
from persistence.reprocessing.reports import Report

router = Router(tags=["approvals"])
router.add_decorator(for_any_api)

RERUN = "orchestration.replay_servicecallrecord"
ADD_CALLS = "orchestration.add_servicecallrecord"
LATEST = ("-decided_at", "-id")


def _refused(status: int) -> Any:
    return lambda error: ApiError(status, error.code, str(error))


refused = partial(
    refused_as,
    {
        DecisionRefused: _refused(409),
        MayNotDecide: _refused(403),
        InvalidDecision: _refused(422),
        NotPersistable: _refused(422),
        Hold.DoesNotExist: lambda error: ApiError(404, "not_found", "There is no such held result."),
    },
)


def any_hold(request: ApiRequest, hold_id: int) -> Hold:
    """ApiError 404 when there is none."""
    return found(Hold.objects.filter(pk=hold_id).first(), "There is no such held result.")


# --- reading ----------------------------------------------------------------------------------


@router.get("/approvals", response={200: HoldPage, **error_responses(422)}, summary="What waits for a person")
@needs(READ, permission=VIEW)
def list_approvals(request: ApiRequest, wanted: Query[HoldFilter]) -> JsonObject:
    """Nothing is counted; a page costs the same however far one turns them."""
    rows = Hold.objects.filter(state=wanted.state)
    columns = {"service_identity": wanted.service, "trigger": wanted.trigger, "call_id": wanted.call}
    rows = rows.filter(**{name: value for name, value in columns.items() if value is not None})
    if wanted.assigned == "me":
        rows = rows.assigned_to(request.auth.user)
    elif wanted.assigned == "nobody":
        rows = rows.filter(assignee=None, group=None)
    is_open = wanted.state == HoldState.OPEN
    rows = _after(rows, wanted.after, is_open=is_open).order_by(*(URGENCY if is_open else LATEST))
    content = may_read_content(request.auth)
    return page_shown(
        rows.defer("answer", "edited", "shown", "essence"),
        wanted.limit,
        lambda hold: _summary(request, hold, content=content),
        lambda hold: hold.pk,
    )


def _after(rows: QuerySet[Hold], after: int | None, *, is_open: bool) -> Any:
    """What follows a row in the order of the list; the last condition lets an index seek."""
    last = Hold.objects.filter(pk=after).only("priority", "opened_at", "decided_at").first() if after else None
    if after is None:
        return rows
    if last is None:
        raise ApiError(422, "unknown_cursor", "There is no such held result to continue after; start again without it.")
    if not is_open:
        later = Q(decided_at__lt=last.decided_at) | Q(decided_at=last.decided_at, pk__lt=last.pk)
        return rows.filter(later, decided_at__lte=last.decided_at)
    same = Q(priority=last.priority)
    later = Q(priority__lt=last.priority) | same & Q(opened_at__gt=last.opened_at)
    later |= same & Q(opened_at=last.opened_at, pk__gt=last.pk)
    return rows.filter(later, priority__lte=last.priority)


@router.get(
    "/approvals/figures",
    response={200: FiguresOut, **error_responses()},
    summary="What was held and what became of it, by service and version of the prompt",
)
@needs(READ, permission=VIEW)
def approval_statistics(request: ApiRequest, wanted: Query[FiguresFilter]) -> JsonObject:
    figures = approval_figures(database_now() - timedelta(days=wanted.days))
    items = [
        {
            "service": each.service,
            "prompt_version": each.prompt_version,
            "held": each.held,
            **each.states,
            "seconds_to_decision": each.seconds_to_decision,
        }
        for each in figures
    ]
    return {"days": wanted.days, "items": items}


@router.get(
    "/approvals/{int:hold_id}",
    response={200: HoldOut, **error_responses(404)},
    summary="One held result with the rows that it would write",
)
@needs(READ, permission=VIEW, row=any_hold)
def get_approval(request: ApiRequest, hold_id: int) -> JsonObject:
    return _shown(request, any_hold(request, hold_id))


def _summary(request: ApiRequest, hold: Hold, *, content: bool) -> JsonObject:
    return {
        "id": hold.pk,
        "call": hold.call_id,
        "service": hold.service_identity,
        "tool": hold.tool,
        "state": hold.state,
        "trigger": hold.trigger,
        "reason": hold.reason if content else None,
        "priority": hold.priority,
        "opened_at": hold.opened_at,
        "decided_at": hold.decided_at,
        "deadline": hold.deadline,
        "at_deadline": hold.at_deadline,
        "assignee": hold.assignee_id,
        "group": hold.group_id,
        "persons": hold.persons,
        "rows": hold.rows,
        "digest": hold.digest,
        "links": {
            "self": link(request, "get_approval", hold_id=hold.pk),
            "call": link(request, "get_service_call", call_id=hold.call_id),
        },
    }


def _shown(request: ApiRequest, hold: Hold) -> JsonObject:
    content, kept = _shows_content(request, hold), answers_of(hold)
    reason = why_not(request.auth.user, hold) if hold.is_open else f"It is {hold.state}."
    taken = [
        {
            "kind": each.kind,
            "user": each.user_id,
            "note": each.note if content else None,
            "decided_at": each.decided_at,
        }
        for each in hold.decisions.all()
    ]
    return {
        **_summary(request, hold, content=content),
        "content": "shown" if content else "hidden",
        "prompt_version": hold.prompt_version,
        "requested_by": hold.requested_by_id,
        "not_the_requester": hold.not_the_requester,
        "permissions": hold.permissions.split(),
        "votes": hold.votes().count(),
        "may_decide": not reason,
        "why_not": reason,
        "answer": kept.answer if content else None,
        "edited": kept.edited if content else None,
        "shown": hold.shown if content else None,
        "moved": hold.moved,
        "error": hold.error or (kept.why if hold.is_open else "") if content else None,
        "decisions": taken,
    }


def _shows_content(request: ApiRequest, hold: Hold) -> bool:
    """Its access log says who read it."""
    if not may_read_content(request.auth):
        return False
    call = ServiceCallRecord.objects.filter(pk=hold.call_id).only("pk").first()
    if call is not None:
        log_content_access(request.auth.user, call, " over the API")
    return True


# --- deciding ---------------------------------------------------------------------------------


@router.post(
    "/approvals/{int:hold_id}/decision",
    response={200: DecidedOut, **error_responses(404, 409, 422)},
    summary="Approve, edit and approve, or reject",
)
@needs(DECIDE, permission=VIEW, row=any_hold)
def decide_approval(request: ApiRequest, hold_id: int, body: DecisionIn) -> JsonObject:
    """Needs the permission to decide, and what its service asks for. A decision that is sent again gives the same.

    409 when nothing was written: somebody decided before (`approval_closed`), you were shown something else
    (`approval_outdated`), it would write something else by now (`approval_moved`, with the differences; get it again
    and decide again), its handler fails (`approval_unpersistable`), the call is gone (`approval_superseded`), or its
    deadline has passed (`approval_expired`).
    """
    by = request.auth.user
    with refused(), refusals():
        if body.decision == "approve":
            done = decisions.approve(hold_id, by=by, shown=body.shown, note=body.note)
        elif body.decision == "edit":
            done = decisions.edit_and_approve(hold_id, by=by, answer=body.answer, shown=body.shown, note=body.note)
        else:
            _check_rerun(request, wanted=body.rerun)
            done = decisions.reject(hold_id, by=by, shown=body.shown, note=body.note, rerun=body.rerun)
    return _decided(done)


def _check_rerun(request: ApiRequest, *, wanted: bool) -> None:
    """Asking the model again costs what a call costs, and needs what a rerun needs."""
    if wanted:
        require_scope(request.auth, WRITE)
        require_permission(request.auth, ADD_CALLS)
        require_permission(request.auth, RERUN)
        request.auth.charge("calls", 1)


def _decided(done: Decided) -> JsonObject:
    details: JsonObject = {"differences": done.differences, "digest": (done.shown or done.hold).digest}
    if done.outcome is DecisionOutcome.MOVED:
        message = "Nothing was written: it would now write something other than what you were shown. Look again."
        raise ApiError(409, "approval_moved", message, details)
    if done.outcome is DecisionOutcome.FAILED:
        raise ApiError(409, "approval_unpersistable", f"Nothing was written: {done.error}", details)
    if done.outcome is DecisionOutcome.SUPERSEDED:
        message = "Nothing was written: the call is gone, or its result was dealt with in another way."
        raise ApiError(409, "approval_superseded", message)
    return {"outcome": done.outcome.value, "state": done.hold.state, "made": done.made}


@router.post(
    "/approvals/{int:hold_id}/preview",
    response={200: PreviewOut, **error_responses(404, 409, 422)},
    summary="What an edited answer would write",
)
@needs(DECIDE, permission=VIEW, row=any_hold)
def preview_approval(request: ApiRequest, hold_id: int, body: AnswerIn) -> JsonObject:
    """Nothing stays. 422 for an answer that does not fit the schema, or that its handler does not take."""
    with refused():
        check_permissions(request.auth.user, any_hold(request, hold_id))
        shown = decisions.preview_edit(hold_id, body.answer)
    report: Report = shown.report
    return {"digest": shown.digest, "shown": report.as_json() if may_read_content(request.auth) else None}


@router.post(
    "/approvals/{int:hold_id}/assign",
    response={200: HoldOut, **error_responses(404, 409, 422)},
    summary="Ask another person, or a group",
)
@needs(DECIDE, permission=VIEW, row=any_hold)
def assign_approval(request: ApiRequest, hold_id: int, body: AssignIn) -> JsonObject:
    user = _named(get_user_model(), body.user)
    group = _named(Group, body.group)
    with refused():
        done = decisions.assign(
            hold_id, by=request.auth.user, user=user, group=group, note=body.note, escalate=body.escalate
        )
    _decided(done)
    return _shown(request, done.hold)


def _named(model: Any, key: int | None) -> Any:
    """ApiError 422 for a person or group that there is not."""
    row = model._default_manager.filter(pk=key).first() if key is not None else None
    if key is not None and row is None:
        raise ApiError(422, "approval_invalid", f"There is no {model._meta.verbose_name} {key}.")
    return row


@router.post(
    "/approvals/{int:hold_id}/refresh",
    response={200: HoldOut, **error_responses(404, 409)},
    summary="Show what it would write now",
)
@needs(DECIDE, permission=VIEW, row=any_hold)
def refresh_approval(request: ApiRequest, hold_id: int) -> JsonObject:
    """When that is something else than before, earlier approvals no longer count."""
    with refused():
        check_permissions(request.auth.user, any_hold(request, hold_id))
        return _shown(request, decisions.show_again(hold_id))
