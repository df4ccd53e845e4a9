"""What happens in a simulation as it happens, and what happened, as a transcript."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from ninja import Header, Query, Router

from apps.accounts.auth import AuthedRequest
from apps.simulation.api_access import MISSING, visible_simulation
from apps.simulation.history_registry import collect_history
from apps.simulation.streaming import Stream, stream_async, stream_sync
from apps.simulation.transcripts import FORMATTERS
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["simulations"])
LAST = 2**31 - 1
TEXT = {"schema": {"type": "string"}}
FILES = {"application/json": {"schema": {"type": "object"}}} | {
    formatter.content_type.partition(";")[0]: TEXT
    for formatter in FORMATTERS.values()
    if formatter.content_type != "application/json"
}

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=32)]
After = Annotated[int, Query(ge=0, le=LAST, description="As Last-Event-ID, which wins over it.")]
TranscriptFormat = StrEnum("TranscriptFormat", {name: name for name in FORMATTERS})


@router.get(
    "/simulations/{uuid:simulation_id}/events",
    response={**MISSING, 422: ErrorOut},
    summary="Changes of the simulation as server-sent events",
    openapi_extra={"responses": {200: {"description": "A stream.", "content": {"text/event-stream": TEXT}}}},
)
def stream_simulation_events(
    request: AuthedRequest, simulation_id: UUID, after: After = 0, last_event_id: LastEventId = None
) -> StreamingHttpResponse:
    """Every event has an id; send the last one as `Last-Event-ID` to go on from there, none lost and none twice.

    `status`, `message`, `delivery`, `media`, `metadata`, `feedback`, `question`, for instructors also `command` and
    `note`; their data name rows, whose content is read where it is. `end`: nothing more will happen by itself.
    """
    simulation = visible_simulation(request, simulation_id)
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdigit()):
            raise ApiError(422, "invalid_last_event_id", "Last-Event-ID is the id of an event of this simulation.")
        after = min(int(last_event_id), LAST)
    to_text: Any = stream_async if isinstance(request, ASGIRequest) else stream_sync
    stream = Stream(simulation.pk, after, request.auth.user)
    response = StreamingHttpResponse(to_text(stream), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


@router.get(
    "/simulations/{uuid:simulation_id}/transcript",
    response={**MISSING, 422: ErrorOut},
    summary="What was said and done, as a file",
    openapi_extra={"responses": {200: {"description": "A file.", "content": FILES}}},
)
def get_transcript(
    request: AuthedRequest,
    simulation_id: UUID,
    format: Annotated[TranscriptFormat, Query()] = TranscriptFormat.json,  # noqa: A002 - the API's word
) -> HttpResponse:
    """`json`, `csv`, `markdown`, or `openai` (messages as a chat model takes them)."""
    simulation = visible_simulation(request, simulation_id)
    formatter = FORMATTERS[format]
    text = formatter.write(simulation, collect_history(simulation))
    response = HttpResponse(text, content_type=formatter.content_type)
    response["Content-Disposition"] = f'attachment; filename="transcript-{simulation.uuid}.{formatter.extension}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
