"""Images, audio and files over REST: bring one in for a call, and read those of a call."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db import transaction
from django.http import HttpResponse
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from orchestration.api.errors import ApiError
from orchestration.api.permissions import (
    CONTENT,
    READ,
    WRITE,
    ApiRequest,
    for_any_api,
    needs,
    require_permission,
    require_scope,
    shows_content,
    visible_call,
)
from orchestration.api.schemas import error_responses
from orchestration.content.of_call import CallContent, content_of_call, served
from orchestration.content.uploads import upload
from orchestration.errors import ContentRefused, ContentTooLarge, ContentUnavailable
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject
from orchestration.values.media_types import KIND_OF

router = Router(tags=["service calls"])
router.add_decorator(for_any_api)

ANY_CONTENT = {"description": "The bytes.", "content": {name: {} for name in KIND_OF}}


class ContentIn(Schema):
    """What a file is to be."""

    kind: Literal["image", "audio", "file"]
    """`file`: a PDF."""


class PartOut(Schema):
    """A part of a message, to be put into the input or the context of a call."""

    part: str
    content: str
    """`sha256:` and the digest of the bytes."""
    media_type: str
    size: int
    name: str = ""


class ContentOut(Schema):
    """An image, audio or file of a call."""

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """SHA-256."""
    kind: str
    media_type: str
    size: int
    name: str | None
    """Null when it has none, or when content is hidden."""
    content: Literal["shown", "hidden"]


@router.post(
    "/content",
    response={201: PartOut, **error_responses(400, 413, 422)},
    summary="Upload an image, audio or PDF for a call",
)
@needs(WRITE, permission="orchestration.add_servicecallrecord")
def upload_content(
    request: ApiRequest,
    file: Annotated[UploadedFile, File(description="PNG, JPEG, GIF or WebP; WAV, MP3, Ogg or FLAC; or PDF.")],
    fields: Form[ContentIn],
) -> Status[JsonObject]:
    """Returns the part that stands for it in `input` or `context` of a call, whose service shows it to the model. It is
    kept for a day, or as long as calls refer to it."""
    require_scope(request.auth, WRITE)
    require_permission(request.auth, "orchestration.add_servicecallrecord")
    try:
        with transaction.atomic():
            part = upload(request.auth.user, fields.kind, file)
    except ContentRefused as refused:
        status = 413 if isinstance(refused, ContentTooLarge) else 422
        raise ApiError(status, refused.code, str(refused)) from refused
    return Status(201, part)


@router.get(
    "/service-calls/{call_id}/content",
    response={200: list[ContentOut], **error_responses(404)},
    summary="Images, audio and files that the call showed its model",
)
@needs(READ)
def list_call_content(request: ApiRequest, call_id: str) -> list[JsonObject]:
    call = visible_call(request.auth, call_id)
    content = shows_content(request, call, prompts=True)
    return [_shown(each, content=content) for each in content_of_call(call)]


@router.get(
    "/service-calls/{call_id}/content/{digest}",
    response=error_responses(404, 503),
    summary="One of them, its bytes",
    openapi_extra={"responses": {200: ANY_CONTENT}},
)
@needs(READ, CONTENT)
def get_call_content(request: ApiRequest, call_id: str, digest: str) -> HttpResponse:
    """As it was stored, to be downloaded."""
    call = visible_call(request.auth, call_id)
    require_scope(request.auth, CONTENT)
    wanted = _find(call, digest)
    shows_content(request, call, prompts=True)
    try:
        return served(wanted, inline=False)
    except ContentUnavailable as error:
        raise ApiError(503 if error.retryable else 404, error.code, str(error)) from error


def _find(call: ServiceCallRecord, digest: str) -> CallContent:
    for each in content_of_call(call):
        if each.file.pk == digest:
            return each
    raise ApiError(404, "not_found", "This call has no such content.")


def _shown(found: CallContent, *, content: bool) -> JsonObject:
    shown: dict[str, Any] = {
        "digest": found.file.pk,
        "kind": found.kind,
        "media_type": found.file.media_type,
        "size": found.file.size,
        "name": (found.name or None) if content else None,
        "content": "shown" if content else "hidden",
    }
    return shown
