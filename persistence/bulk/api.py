"""Bulk runs over REST: an operation over a frozen list of calls, with its forecast, its progress and its steering.

Which operations there are, what each needs and which options it has, is declared once (orchestration/operations.py) for
the console, too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from ninja import Query, Router, Status

from orchestration.api.errors import ApiError, found, refused_as
from orchestration.api.pagination import newest_first
from orchestration.api.permissions import (
    OPERATE,
    READ,
    WRITE,
    ApiRequest,
    Principal,
    for_any_api,
    link,
    may_read_content,
    needs,
    require_model,
    require_permission,
    require_scope,
)
from orchestration.api.row_pages import page_shown
from orchestration.api.schemas import error_responses
from orchestration.models import ServiceCallRecord
from orchestration.operations import Operation
from orchestration.types import JsonObject
from persistence.bulk.api_schemas import (
    BulkItemPage,
    BulkRunIn,
    BulkRunOut,
    BulkRunPage,
    ItemFilter,
    PaceIn,
    RunFilter,
    StartIn,
)
from persistence.bulk.figures import expected_rate, rate, time_left, troubles_by_cause, undone
from persistence.bulk.pace import change_pace, pace_in_words
from persistence.bulk.rights import ADD_CALLS, VIEW_RUNS, Authority, permissions_of
from persistence.bulk.runs import abort, freeze_rows, outcomes_of, pause, schedule, start
from persistence.bulk.selection import (
    ASKED_OVER_REST,
    checked_options,
    matching_again,
    matching_calls,
    operation_called,
    selected_calls,
)
from persistence.errors import BulkRefused
from persistence.models import BulkItem, BulkRun
from persistence.models.bulk import EXPORT, TROUBLES, Channel

router = Router(tags=["bulk runs"])
router.add_decorator(for_any_api)


# --- who may --------------------------------------------------------------------------------

refusals = partial(refused_as, {BulkRefused: lambda error: ApiError(409, "bulk_refused", str(error))})


def _authority(principal: Principal) -> Authority:
    return Authority(person=principal.user, channel=Channel.API, credential=getattr(principal, "credential", ""))


def visible_run(request: ApiRequest, bulk_run_id: int) -> BulkRun:
    """One's own run, or any with the permission to view runs; ApiError 404 otherwise."""
    return found(_visible(request.auth).filter(pk=bulk_run_id).first(), "There is no such bulk run.")


def _visible(principal: Principal) -> QuerySet[BulkRun]:
    rows = BulkRun.objects.all()
    return rows if principal.user.has_perm(VIEW_RUNS) else rows.filter(requested_by=principal.user.pk)


def steered_run(request: ApiRequest, bulk_run_id: int) -> BulkRun:
    """A visible run that the caller may do by hand; ApiError 403 otherwise."""
    require_scope(request.auth, OPERATE)
    run = visible_run(request, bulk_run_id)
    for permission in permissions_of(run):
        require_permission(request.auth, permission)
    return run


def _require(principal: Principal, operation: Operation) -> None:
    """What an operation needs; one that makes calls needs what making them would."""
    require_scope(principal, OPERATE)
    if operation.scope:
        require_scope(principal, operation.scope)
    require_permission(principal, operation.permission)
    if operation.pairs:
        require_scope(principal, WRITE)
        require_permission(principal, ADD_CALLS)


def _require_models(principal: Principal, operation: Operation, rows: QuerySet[Any], options: JsonObject) -> None:
    """ApiError 403 when a key may not use a model that would be asked."""
    if not operation.costs:
        return
    chosen = options.get("model")
    asked = [chosen] if chosen else rows.order_by().values_list("model_requested", flat=True).distinct()
    for model in asked:
        require_model(principal, model)


# --- making ---------------------------------------------------------------------------------


@router.post(
    "/bulk-runs",
    response={201: BulkRunOut, **error_responses(400, 409, 413, 422)},
    summary="Freeze a list of calls for an operation, with a forecast of what it would do",
)
@needs(OPERATE)
def create_bulk_run(request: ApiRequest, body: BulkRunIn) -> Status[JsonObject]:
    """A draft: nothing is done before it is started, and it goes after a day. Its list stays as it is, whatever comes
    later; calls whose state changes meanwhile are left alone and reported. `operation: "dry-run"` does all of it in
    transactions that are rolled back.

    Needs the permission of the operation; `rerun`, which makes calls, also what submitting calls needs. 409 when no
    call matches, or more than 250,000 do.
    """
    operation = operation_called(body.operation)
    _require(request.auth, operation)
    options = checked_options(operation, body.options)
    if body.filter is not None:
        rows = matching_calls(request.auth.user, body.filter)
        asked: JsonObject = {ASKED_OVER_REST: body.filter.model_dump(mode="json", exclude_none=True)}
    else:
        rows = selected_calls(request.auth.user, body.calls or [])
        asked = {"selected": rows.count()}
    return Status(201, _drafted(request, operation, rows, options, asked))


def _drafted(
    request: ApiRequest, operation: Operation, rows: QuerySet[Any], options: JsonObject, asked: JsonObject
) -> JsonObject:
    _require_models(request.auth, operation, rows, options)
    with refusals():
        run = freeze_rows(operation.key, rows, options=options, asked=asked, authority=_authority(request.auth))
    if not run.total:
        run.delete()
        raise ApiError(409, "nothing_matches", "Nothing matches now; nothing was made.")
    return _shown(request, run)


@router.post(
    "/bulk-runs/{int:bulk_run_id}/retry",
    response={201: BulkRunOut, **error_responses(404, 409)},
    summary="A new draft over what a run left alone, failed, or did not reach",
)
@needs(OPERATE, row=steered_run)
def retry_bulk_run(request: ApiRequest, bulk_run_id: int) -> Status[JsonObject]:
    """With the same operation and options, and a forecast of its own. 409 while the run has not ended."""
    run, operation = _ended(request, bulk_run_id)
    rows = ServiceCallRecord.objects.visible_to(request.auth.user).filter(pk__in=undone(run).values("call_id"))
    asked = {"not done in": f"run #{run.pk}"}
    return Status(201, _drafted(request, operation, rows.order_by("created_at", "pk"), run.options, asked))


@router.post(
    "/bulk-runs/{int:bulk_run_id}/repeat",
    response={201: BulkRunOut, **error_responses(404, 409)},
    summary="A new draft over what the filter of a run matches now",
)
@needs(OPERATE, row=steered_run)
def repeat_bulk_run(request: ApiRequest, bulk_run_id: int) -> Status[JsonObject]:
    """With the same operation and options; over the same calls, where these were named one by one. 409 for a search of
    the console, which is repeated there, and while the run has not ended."""
    run, operation = _ended(request, bulk_run_id)
    rows, asked = matching_again(request.auth.user, run.filter), run.filter
    if rows is None and (run.list_query or ASKED_OVER_REST in run.filter):
        raise ApiError(409, "bulk_refused", "This run was made of a search in the console: repeat it there.")
    if rows is None:
        mine = ServiceCallRecord.objects.visible_to(request.auth.user)
        rows = mine.filter(pk__in=run.items.values("call_id")).order_by("created_at", "pk")
        asked = {"the same calls as": f"run #{run.pk}"}
    return Status(201, _drafted(request, operation, rows, run.options, asked))


def _ended(request: ApiRequest, bulk_run_id: int) -> tuple[BulkRun, Operation]:
    """A run that can be done again by the caller, with its operation."""
    run = steered_run(request, bulk_run_id)
    operation = run.operation
    if operation is None or not run.has_ended:
        why = f"Bulk run {run.pk} is {run.state}." if operation else f"A run of {run.title} cannot be done again here."
        raise ApiError(409, "bulk_refused", why)
    _require(request.auth, operation)
    return run, operation


# --- looking --------------------------------------------------------------------------------


@router.get("/bulk-runs", response={200: BulkRunPage, **error_responses(422)}, summary="Bulk runs, newest first")
@needs(READ)
def list_bulk_runs(request: ApiRequest, wanted: Query[RunFilter]) -> JsonObject:
    """Your own; all of them with the permission `persistence.view_bulkrun`."""
    require_scope(request.auth, READ)
    rows = _visible(request.auth)
    if wanted.state is not None:
        rows = rows.filter(state=wanted.state)
    page, cursor = newest_first(rows, cursor=wanted.cursor, limit=wanted.limit)
    return {"items": [_summary(request, run) for run in page], "next": cursor}


@router.get(
    "/bulk-runs/{int:bulk_run_id}",
    response={200: BulkRunOut, **error_responses(404)},
    summary="One bulk run: its state, rate, time left, and failures by cause",
)
@needs(READ)
def get_bulk_run(request: ApiRequest, bulk_run_id: int) -> JsonObject:
    require_scope(request.auth, READ)
    return _shown(request, visible_run(request, bulk_run_id))


@router.get(
    "/bulk-runs/{int:bulk_run_id}/items",
    response={200: BulkItemPage, **error_responses(404, 422)},
    summary="The calls of a bulk run, and what became of each",
)
@needs(READ, row=visible_run)
def list_bulk_items(request: ApiRequest, bulk_run_id: int, wanted: Query[ItemFilter]) -> JsonObject:
    """In the order of the run; `after` is `next` of the page before."""
    require_scope(request.auth, READ)
    run = visible_run(request, bulk_run_id)
    rows = undone(run) if wanted.outcome == "undone" else run.items.all()
    if wanted.outcome not in (None, "undone"):
        rows = rows.filter(outcome=wanted.outcome)
    content = may_read_content(request.auth)

    def show(item: BulkItem) -> JsonObject:
        return {
            "call": item.call_id,
            "outcome": item.outcome,
            "counts": item.counts,
            "done_at": item.done_at,
            "made": item.made_call_id,
            "error": item.error if content else None,
        }

    return page_shown(rows.filter(pk__gt=wanted.after).order_by("pk"), wanted.limit, show, lambda item: item.pk)


def _shown(request: ApiRequest, run: BulkRun) -> JsonObject:
    outcomes = outcomes_of(run)
    done, per_second, content = sum(outcomes.values()), rate(run), may_read_content(request.auth)
    left = time_left(run, done, expected_rate(run, per_second))
    has_troubles = any(outcomes.get(trouble) for trouble in TROUBLES)
    return {
        **_summary(request, run),
        "done": done,
        "outcomes": outcomes,
        "forecast": _forecast(run, content=content),
        "causes": [
            {"outcome": outcome, "why": why if content else None, "count": count}
            for outcome, why, count in (troubles_by_cause(run) if has_troubles else ())
        ],
        "rate": per_second,
        "seconds_left": left.total_seconds() if left is not None else None,
    }


def _summary(request: ApiRequest, run: BulkRun) -> JsonObject:
    operation = run.operation
    return {
        "title": run.title,
        "state": run.state,
        "options": run.options,
        "filter": run.filter,
        "reason": run.reason,
        "total": run.total,
        "per_minute": run.per_minute,
        "error": run.error,
        "starts_at": run.starts_at,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "id": run.pk,
        "operation": operation.name if operation else run.kind,
        "links": {
            "self": link(request, "get_bulk_run", bulk_run_id=run.pk),
            "items": link(request, "list_bulk_items", bulk_run_id=run.pk),
        },
    }


def _forecast(run: BulkRun, *, content: bool) -> JsonObject | None:
    """Why calls of the sample were refused may hold content."""
    if run.kind == EXPORT:
        return None
    shown: JsonObject = dict(run.forecast)
    if not content and isinstance(shown.get("sample"), dict):
        shown["sample"] = {**shown["sample"], "reasons": None}
    return shown


# --- steering -------------------------------------------------------------------------------


def _steered(request: ApiRequest, run: BulkRun, what: str) -> JsonObject:
    """With an entry in the history of the run, as the console makes it."""
    message = f"{what.strip()} (over REST)"
    LogEntry.objects.log_actions(request.auth.user.pk, [run], CHANGE, message, single_object=True)
    run.refresh_from_db()
    return _shown(request, run)


@router.post(
    "/bulk-runs/{int:bulk_run_id}/start",
    response={200: BulkRunOut, **error_responses(404, 409, 422)},
    summary="Start or schedule a draft, or resume a run",
)
@needs(OPERATE, row=steered_run)
def start_bulk_run(request: ApiRequest, bulk_run_id: int, body: StartIn) -> JsonObject:
    """From now on it writes in your name, and with your rights as they are then: when you lose them, or the key that
    you use now is revoked, the run ends.

    One that asks models counts each of its calls against your limit of calls when it makes it, and waits while that is
    reached.
    """
    run = steered_run(request, bulk_run_id)
    operation = run.operation
    if operation is not None:
        _require(request.auth, operation)
    how: dict[str, Any] = {"reason": body.reason, "per_minute": body.per_minute, "authority": _authority(request.auth)}
    with refusals():
        if body.starts_at is None:
            start(run, **how)
        else:
            schedule(run, body.starts_at, **how)
    when = f"Scheduled for {body.starts_at.isoformat()}" if body.starts_at else "Start"
    return _steered(request, run, f"{', '.join(filter(None, (when, pace_in_words(run))))}. {body.reason}")


@router.post(
    "/bulk-runs/{int:bulk_run_id}/pause",
    response={200: BulkRunOut, **error_responses(404, 409)},
    summary="Pause a bulk run",
)
@needs(OPERATE, row=steered_run)
def pause_bulk_run(request: ApiRequest, bulk_run_id: int) -> JsonObject:
    """A worker stops after its call; `start` resumes it."""
    run = steered_run(request, bulk_run_id)
    with refusals():
        pause(run)
    return _steered(request, run, "Pause.")


@router.post(
    "/bulk-runs/{int:bulk_run_id}/cancel",
    response={200: BulkRunOut, **error_responses(404, 409)},
    summary="End a bulk run for good",
)
@needs(OPERATE, row=steered_run)
def cancel_bulk_run(request: ApiRequest, bulk_run_id: int) -> JsonObject:
    """What is done stays done; a run that was scheduled does not start."""
    run = steered_run(request, bulk_run_id)
    with refusals():
        abort(run)
    return _steered(request, run, "Abort.")


@router.put(
    "/bulk-runs/{int:bulk_run_id}/pace",
    response={200: BulkRunOut, **error_responses(404, 409, 422)},
    summary="Set or lift the pace of a bulk run",
)
@needs(OPERATE, row=steered_run)
def pace_bulk_run(request: ApiRequest, bulk_run_id: int, body: PaceIn) -> JsonObject:
    run = steered_run(request, bulk_run_id)
    with refusals():
        change_pace(run, body.per_minute)
    return _steered(request, run, f"Pace: {pace_in_words(run) or 'as fast as it can'}.")
