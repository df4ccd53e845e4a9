"""Content that callers of the API bring in, and what each of them may refer to."""

from __future__ import annotations

from typing import Any

from orchestration.clock import database_now
from orchestration.content.making import audio_now, file_now, image_now
from orchestration.models import ServiceCallRecord
from orchestration.models.content import ContentUse
from orchestration.types import JsonObject
from orchestration.values.content_parts import references_in

MAKERS = {"image": image_now, "audio": audio_now, "file": file_now}


def upload(user: Any, kind: str, source: Any) -> JsonObject:
    """Store what a user sends, for a day or for as long as calls refer to it; returns the part. ContentRefused."""
    part = MAKERS[kind](source, media_type=source.content_type or "")
    [found] = references_in(part)
    told = {"kind": kind, "name": found.name, "added_at": database_now()}
    ContentUse.objects.update_or_create(content_id=found.digest, uploaded_by=user, defaults=told)
    return part


def foreign_content(user: Any, *values: Any, call: ServiceCallRecord | None = None) -> str:
    """The first content that JSON of a user refers to although they did not upload it, and `call` does not have it;
    empty when there is none. Who knows a digest must not get at the bytes by that."""
    digests = {found.digest for found in references_in(*values)}
    if not digests:
        return ""
    mine = ContentUse.objects.filter(content__in=digests)
    own = set(mine.filter(uploaded_by=user).values_list("content_id", flat=True))
    if call is not None:
        own |= set(mine.filter(call=call).values_list("content_id", flat=True))
    return min(digests - own, default="")
