"""What happens in a simulation as it happens, and what happened, as a transcript."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Query, Router

from apps.accounts.auth import AuthedRequest
from apps.simulation.api_access import MISSING, visible_simulation
from apps.simulation.history_registry import collect_history
from apps.simulation.streaming import look
from apps.simulation.transcripts import FORMATTERS, TranscriptFormat
from orchestration.api_schemas import ErrorOut
from orchestration.api_streams import LAST, EventStream, LastEventId, resumed_after, streaming_response

router = Router(tags=["simulations"])
TEXT = {"schema": {"type": "string"}}
FILES = {"application/json": {"schema": {"type": "object"}}} | {
    formatter.content_type.partition(";")[0]: TEXT
    for formatter in FORMATTERS.values()
    if formatter.content_type != "application/json"
}

After = Annotated[int, Query(ge=0, le=LAST, description="As Last-Event-ID, which wins over it.")]


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
    `stopping`: the server is stopping, reconnect.
    """
    simulation = visible_simulation(request, simulation_id)
    find = partial(look, simulation.pk, request.auth.user)
    return streaming_response(request, EventStream(find, resumed_after(last_event_id, after)))


@router.get(
    "/simulations/{uuid:simulation_id}/transcript",
    response={**MISSING, 422: ErrorOut},
    summary="What was said and done, as a file",
    openapi_extra={"responses": {200: {"description": "A file.", "content": FILES}}},
)
def get_transcript(
    request: AuthedRequest,
    simulation_id: UUID,
    format: Annotated[TranscriptFormat, Query()] = TranscriptFormat.JSON,  # noqa: A002 - the API's word
) -> HttpResponse:
    """`json`, `csv`, `markdown`, or `openai` (messages as a chat model takes them)."""
    simulation = visible_simulation(request, simulation_id)
    formatter = FORMATTERS[format]
    text = formatter.write(simulation, collect_history(simulation))
    response = HttpResponse(text, content_type=formatter.content_type)
    response["Content-Disposition"] = f'attachment; filename="transcript-{simulation.uuid}.{formatter.extension}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
