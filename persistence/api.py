"""REST about persisted results: the domain objects of a call, reprocess, revert and rerun."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import Prefetch
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field

from orchestration.api import batch, calls, contents, streams
from orchestration.api.errors import ApiError
from orchestration.api.operations import operations_router
from orchestration.api.permissions import (
    OPERATE,
    READ,
    WRITE,
    ApiRequest,
    for_any_api,
    needs,
    operable_call,
    operated_call,
    refusals,
    require_model,
    require_own_content,
    require_permission,
    require_scope,
    shows_content,
    visible_call,
)
from orchestration.api.schemas import NO_NUL, StorableObject, Text128, error_responses
from orchestration.models import ServiceCallRecord
from orchestration.operations import Operation
from orchestration.types import JsonObject, Role
from orchestration.values.generic_refs import Reference, which_exist
from persistence.approval import api as approvals
from persistence.bulk import api as bulk_runs
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject
from persistence.operations import DRY_RUN, REPROCESS, RERUN, REVERT
from persistence.reprocessing.reprocess import Policy, Report, ReprocessOutcome, reprocess, revert
from persistence.reprocessing.reprocess import dry_run as preview
from persistence.reprocessing.rerun import rerun, with_temperature

router = Router(tags=["service calls"])
router.add_decorator(for_any_api)

RENAMED = {"x-deprecated-since": "2026-11-28"}
"""Of the paths whose old name answers for one more release; becomes their `Deprecation` header."""

Found = dict[Reference, bool]


def rerunnable_call(request: ApiRequest, call_id: str) -> ServiceCallRecord:
    """The caller's own call, or any with the permission."""
    return operable_call(request.auth, call_id, RERUN.permission)


def _permitted(request: ApiRequest, call_id: str, operation: Operation) -> ServiceCallRecord:
    call = operable_call(request.auth, call_id, operation.permission)
    require_permission(request.auth, operation.permission)
    return call


class ObjectLinksOut(Schema):
    admin: str | None
    """The object's page in the console; null when it has none."""


class ObjectOut(Schema):
    """A domain object that a call made or changed; `exists` is false when it was deleted since."""

    model: str
    id: str
    role: ObjectRole
    action: ObjectAction
    exists: bool | None
    """null: not looked up, because the result became objects of too many models."""
    links: ObjectLinksOut


class ChunkOut(Schema):
    """One persisted result, or one part of it, with everything it touched."""

    schema_identity: str
    schema_version: int
    part: str
    handler_identity: str
    persisted_at: datetime
    content: Literal["shown", "hidden"]
    summary: dict[str, Any] | None
    unseen: list[str]
    """Statements that wrote and could not be followed, so that a revert does not undo them."""
    files: list[str] | None
    """What was saved in storages; null without the right to read content."""
    objects: list[ObjectOut]


@router.get(
    "/service-calls/{call_id}/objects",
    response={200: list[ChunkOut], **error_responses(404)},
    summary="The domain objects that the call's result became",
)
@needs(READ)
def list_call_objects(request: ApiRequest, call_id: str) -> list[JsonObject]:
    call = visible_call(request.auth, call_id)
    chunks = list(
        PersistedChunk.objects.filter(call_id=call.pk)
        .order_by("id")
        .prefetch_related(Prefetch("objects_touched", PersistedObject.objects.select_related("content_type")))
    )
    found = which_exist(touched.reference for chunk in chunks for touched in chunk.objects_touched.all())
    content = shows_content(request, call)
    return [_chunk(chunk, found, content=content) for chunk in chunks]


class ChangeOut(Schema):
    """One row; `fields` is `{column: [before, after]}`, null without the right to read content."""

    model: str
    id: str
    action: ObjectAction
    fields: dict[str, Any] | None


class PartOut(Schema):
    part: str
    outcome: ReprocessOutcome
    changes: list[ChangeOut]


class ReprocessOut(Schema):
    """What reprocessing, or a revert, changed or would change."""

    call_id: str
    outcome: ReprocessOutcome
    dry_run: bool
    parts: list[PartOut]
    other: list[ChangeOut]
    unseen: list[str]
    """Statements that could not be followed; of a revert, what it does not undo."""
    files: list[str] | None
    """What was saved in storages; a dry run has deleted it again. null without the right to read content."""
    left_files: list[str] | None
    """What the call had saved in storages, and stays there when its rows are reverted."""
    contradicted: list[str]
    """What a forced revert does against; without `force` it would be refused for that."""
    kept: list[str]
    """What a revert leaves where it is: counters, and rows that others follow."""
    counts: dict[str, int]
    error: str


class MessageIn(Schema):
    role: Role
    content: Annotated[str, Field(max_length=1_000_000, pattern=NO_NUL)]


class RerunIn(Schema):
    """What to change in the new call; everything else is as in the original."""

    model_config = ConfigDict(extra="forbid")

    model: Text128 | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    parameters: StorableObject = {}
    input: StorableObject | None = None
    context: StorableObject = {}
    messages: list[MessageIn] | None = None
    persist: bool = False
    """Whether the new result is persisted, too, beside what the original made. Otherwise it is only there to be
    compared, until somebody reprocesses the new call."""


class RerunOut(Schema):
    """The new call, and the one that it reruns."""

    id: str
    parent: str
    status: str


REPROCESSED = {200: ReprocessOut, **error_responses(404, 409)}
RERUN_QUEUED = {202: RerunOut, **error_responses(404, 409, 413, 422)}


@router.post(
    "/service-calls/{call_id}/reprocess",
    response=REPROCESSED,
    summary=REPROCESS.summary,
)
@needs(OPERATE, row=operated_call)
def reprocess_service_call(
    request: ApiRequest, call_id: str, dry_run: bool = True, policy: Policy = Policy.KEEP, force: bool = False
) -> JsonObject:
    """Needs the permission to reprocess, or to see what that would change.

    `dry_run=true` is the default.

    409 when it is refused, with the reason; a handler that fails is an outcome, not an error.
    """
    return _reprocess(request, call_id, policy, dry=dry_run, force=force, refused="reprocess_refused")


@router.post(
    "/service-calls/{call_id}/persist",
    response=REPROCESSED,
    summary="The old name of /reprocess",
    deprecated=True,
    openapi_extra=RENAMED,
)
@needs(OPERATE, row=operated_call)
def persist_service_call(
    request: ApiRequest, call_id: str, dry_run: bool = True, policy: Policy = Policy.KEEP, force: bool = False
) -> JsonObject:
    """The same as `/service-calls/{call_id}/reprocess`, which has the code `reprocess_refused` for `replay_refused`.

    Removed in the next release; until then every answer has a `Deprecation` header.
    """
    return _reprocess(request, call_id, policy, dry=dry_run, force=force, refused="replay_refused")


def _reprocess(
    request: ApiRequest, call_id: str, policy: Policy, *, dry: bool, force: bool, refused: str
) -> JsonObject:
    call = _permitted(request, call_id, DRY_RUN if dry else REPROCESS)
    report = (preview if dry else reprocess)(call.pk, policy, force=force)
    return _shown(request, call, report, refused=refused)


@router.post(
    "/service-calls/{call_id}/revert",
    response=REPROCESSED,
    summary=REVERT.summary,
)
@needs(OPERATE, row=operated_call)
def revert_service_call(request: ApiRequest, call_id: str, dry_run: bool = True, force: bool = False) -> JsonObject:
    """Needs the permission to revert, or to see what that would change.

    `dry_run=true` is the default. `force` also reverts what was changed since, and leaves what cannot be reverted.

    409 when it is refused, with the reason: what an app objects to is refused with `force`, too.
    """
    call = _permitted(request, call_id, DRY_RUN if dry_run else REVERT)
    return _shown(request, call, revert(call.pk, force=force, dry=dry_run), refused="revert_refused")


def _shown(request: ApiRequest, call: ServiceCallRecord, report: Report, *, refused: str) -> JsonObject:
    if report.outcome is ReprocessOutcome.REFUSED:
        raise ApiError(409, refused, report.error)
    shown = report.as_json()
    if not shows_content(request, call):
        shown["files"] = shown["left_files"] = None
        for change in [*shown["other"], *(change for part in shown["parts"] for change in part["changes"])]:
            change["fields"] = None
    return shown


@router.post(
    "/service-calls/{call_id}/rerun",
    response=RERUN_QUEUED,
    summary=RERUN.summary,
)
@needs(WRITE, OPERATE, permission="orchestration.add_servicecallrecord", counts="calls", row=rerunnable_call)
def rerun_service_call(request: ApiRequest, call_id: str, body: RerunIn) -> Status[JsonObject]:
    """The call is your own, or you have the permission to rerun calls. It costs what a new call costs."""
    return _rerun(request, call_id, body)


@router.post(
    "/service-calls/{call_id}/replay",
    response=RERUN_QUEUED,
    summary="The old name of /rerun",
    deprecated=True,
    openapi_extra=RENAMED,
)
@needs(WRITE, OPERATE, permission="orchestration.add_servicecallrecord", counts="calls", row=rerunnable_call)
def replay_service_call(request: ApiRequest, call_id: str, body: RerunIn) -> Status[JsonObject]:
    """The same as `/service-calls/{call_id}/rerun`.

    Removed in the next release; until then every answer has a `Deprecation` header.
    """
    return _rerun(request, call_id, body)


def _rerun(request: ApiRequest, call_id: str, body: RerunIn) -> Status[JsonObject]:
    require_scope(request.auth, WRITE)
    require_permission(request.auth, "orchestration.add_servicecallrecord")
    call = rerunnable_call(request, call_id)
    require_model(request.auth, body.model or call.model_requested)
    require_own_content(request.auth, body.input, body.context, call=call)
    with refusals():
        new_call = rerun(
            call,
            model=body.model,
            parameters=body.parameters | with_temperature(body.temperature),
            input=body.input,
            context=body.context,
            messages=None if body.messages is None else [{"role": m.role, "content": m.content} for m in body.messages],
            persist=body.persist,
            requested_by=request.auth.user,
        )
    return Status(202, {"id": new_call.pk, "parent": call.pk, "status": new_call.status})


def _chunk(chunk: PersistedChunk, found: Found, *, content: bool) -> JsonObject:
    return {
        "schema_identity": chunk.schema_identity,
        "schema_version": chunk.schema_version,
        "part": chunk.part,
        "handler_identity": chunk.handler_identity,
        "persisted_at": chunk.persisted_at,
        "content": "shown" if content else "hidden",
        "summary": chunk.summary if content else None,
        "unseen": chunk.unseen or [],
        "files": list(chunk.files or {}) if content else None,
        "objects": [_object(touched, found) for touched in primary_first(chunk.objects_touched.all())],
    }


def primary_first(objects: Iterable[PersistedObject]) -> list[PersistedObject]:
    return sorted(objects, key=lambda touched: (touched.role != ObjectRole.PRIMARY, touched.pk))


def _object(touched: PersistedObject, found: Found) -> JsonObject:
    reference = touched.reference
    exists = found.get(reference) if reference else None
    return {
        "model": touched.model_name,
        "id": touched.object_id,
        "role": touched.role,
        "action": touched.action,
        "exists": exists if reference else False,
        "links": {"admin": reference.admin_url if reference and exists else None},
    }


def all_routers() -> list[Router]:
    """Everything about calls, for `NinjaAPI.add_router`: submitting, reading, operations, and what was persisted.

    An API may have any authentication that signs a user of Django in. Without a handler for ApiError its errors are
    Ninja's own, `{"detail": message}`.
    """
    of_calls = [batch.router, contents.router, calls.router, streams.router, operations_router()]
    return [*of_calls, router, bulk_runs.router, approvals.router]
