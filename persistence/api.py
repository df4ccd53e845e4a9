"""What came of a call, over REST: the domain objects that its result became."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from django.db.models import Model, Prefetch
from ninja import Router, Schema

from orchestration.api_access import ApiRequest, may_read_content, visible_call
from orchestration.api_schemas import ErrorOut
from orchestration.references import Reference, find_objects
from orchestration.types import JsonObject
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject

router = Router(tags=["service calls"])

Found = dict[Reference, Model | None]


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
    found = find_objects(touched.reference for chunk in chunks for touched in chunk.objects_touched.all())
    content = may_read_content(request.auth)
    return [_chunk(chunk, found, content=content) for chunk in chunks]


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
    kind = touched.content_type
    exists = found[touched.reference] is not None if touched.reference in found else None
    return {
        "model": f"{kind.app_label}.{kind.model}",
        "id": touched.object_id,
        "role": touched.role,
        "action": touched.action,
        "exists": exists,
        "links": {"admin": touched.reference.admin_url if exists else None},
    }
