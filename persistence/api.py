"""What came of a call, over REST: the domain objects that its result became."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import Prefetch
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field

from orchestration.api_access import (
    WRITE,
    ApiRequest,
    operable_call,
    refusals,
    require_permission,
    require_scope,
    shows_content,
    visible_call,
)
from orchestration.api_errors import ApiError
from orchestration.api_schemas import NO_NUL, ErrorOut, StorableObject, Text128
from orchestration.references import Reference, which_exist
from orchestration.types import JsonObject, Role
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject
from persistence.replay import Policy, Replayed, persist_again
from persistence.replay import dry_run as preview
from persistence.siblings import replay_with_model

router = Router(tags=["service calls"])

REPLAY = "orchestration.replay_servicecallrecord"
PREVIEW = "orchestration.preview_servicecallrecord"
PERSIST = "orchestration.persist_servicecallrecord"

Found = dict[Reference, bool]


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
    objects: list[ObjectOut]


@router.get(
    "/service-calls/{call_id}/objects",
    response={200: list[ChunkOut], 401: ErrorOut, 403: ErrorOut, 404: ErrorOut, 429: ErrorOut, 500: ErrorOut},
    summary="The domain objects that the call's result became",
)
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
    outcome: Replayed
    changes: list[ChangeOut]


class ReplayOut(Schema):
    """What persisting again changed, or would change."""

    call_id: str
    outcome: Replayed
    dry_run: bool
    parts: list[PartOut]
    other: list[ChangeOut]
    unseen: list[str]
    counts: dict[str, int]
    error: str


class MessageIn(Schema):
    role: Role
    content: Annotated[str, Field(max_length=1_000_000, pattern=NO_NUL)]


class ReplayIn(Schema):
    """What to change in the sibling; everything else is as in the original."""

    model_config = ConfigDict(extra="forbid")

    model: Text128 | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    parameters: StorableObject = {}
    input: StorableObject | None = None
    context: StorableObject = {}
    messages: list[MessageIn] | None = None


class SiblingOut(Schema):
    id: str
    parent: str
    status: str


@router.post(
    "/service-calls/{call_id}/persist",
    response={200: ReplayOut, 401: ErrorOut, 403: ErrorOut, 404: ErrorOut, 409: ErrorOut, 429: ErrorOut, 500: ErrorOut},
    summary="Persist the stored result again, or show what that would change; no model is asked",
)
def persist_service_call(
    request: ApiRequest, call_id: str, dry_run: bool = True, policy: Policy = Policy.KEEP, force: bool = False
) -> JsonObject:
    """Needs the scope calls:operate and the permission to persist again, or to see what that would change.

    `dry_run=true` is the default.

    409 when it is refused, with the reason; a handler that fails is an outcome, not an error.
    """
    needed = PREVIEW if dry_run else PERSIST
    call = operable_call(request.auth, call_id, needed)
    require_permission(request.auth, needed)
    report = (preview if dry_run else persist_again)(call.pk, policy, force=force)
    if report.outcome is Replayed.REFUSED:
        raise ApiError(409, "replay_refused", report.error)
    shown = report.as_json()
    if not shows_content(request, call):
        for change in [*shown["other"], *(change for part in shown["parts"] for change in part["changes"])]:
            change["fields"] = None
    return shown


@router.post(
    "/service-calls/{call_id}/replay",
    response={
        202: SiblingOut,
        **dict.fromkeys((401, 403, 404, 409, 413, 422, 429, 500), ErrorOut),
    },
    summary="Ask the model again: a new call beside this one, with what you change",
)
def replay_service_call(request: ApiRequest, call_id: str, body: ReplayIn) -> Status[JsonObject]:
    """Needs the scope calls:write, and the call to be one's own or the permission to replay calls. It is paid for."""
    require_scope(request.auth, WRITE)
    require_permission(request.auth, "orchestration.add_servicecallrecord")
    call = operable_call(request.auth, call_id, REPLAY)
    with refusals():
        sibling = replay_with_model(
            call,
            model=body.model,
            temperature=body.temperature,
            parameters=body.parameters,
            input=body.input,
            context=body.context,
            messages=None if body.messages is None else [{"role": m.role, "content": m.content} for m in body.messages],
            requested_by=request.auth.user,
        )
    return Status(202, {"id": sibling.pk, "parent": call.pk, "status": sibling.status})


def _chunk(chunk: PersistedChunk, found: Found, *, content: bool) -> JsonObject:
    return {
        "schema_identity": chunk.schema_identity,
        "schema_version": chunk.schema_version,
        "part": chunk.part,
        "handler_identity": chunk.handler_identity,
        "persisted_at": chunk.persisted_at,
        "content": "shown" if content else "hidden",
        "summary": chunk.summary if content else None,
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
