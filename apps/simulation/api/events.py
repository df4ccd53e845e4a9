"""The live events of a simulation, and its transcript."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Query, Router

from apps.accounts.auth import AuthedRequest
from apps.accounts.models.roles import Scope
from apps.simulation.api.event_stream import next_events
from apps.simulation.api.permissions import MISSING, visible_simulation
from apps.simulation.history import collect_history
from apps.simulation.services.transcripts import FORMATTERS, TranscriptFormat
from orchestration.api.permissions import needs
from orchestration.api.schemas import ErrorOut
from orchestration.api.sse import LAST, STREAM_ANSWER, EventStream, LastEventId, resumed_after, streaming_response

router = Router(tags=["simulations"])
TEXT = {"schema": {"type": "string"}}
FILES = {"application/json": {"schema": {"type": "object"}}} | {
    formatter.content_type.partition(";")[0]: TEXT
    for formatter in FORMATTERS.values()
    if formatter.content_type != "application/json"
}

After = Annotated[int, Query(ge=0, le=LAST, description="As Last-Event-ID, which takes precedence.")]


@router.get(
    "/simulations/{any_uuid:simulation_id}/events",
    response={**MISSING, 422: ErrorOut},
    summary="Changes of the simulation as server-sent events",
    openapi_extra=STREAM_ANSWER,
)
@needs(Scope.SIMULATIONS_READ, row=visible_simulation)
def stream_simulation_events(
    request: AuthedRequest, simulation_id: UUID, after: After = 0, last_event_id: LastEventId = None
) -> StreamingHttpResponse:
    """Every event has an id; send the last one as `Last-Event-ID` to continue after it, none lost and none repeated.

    `status`, `message`, `delivery`, `media`, `metadata`, `feedback`, `question`, for instructors also `command` and
    `note`; their data name rows, to be fetched separately. `end`: the simulation is over and the stream ends.
    `stopping`, `unavailable`: the server is stopping, or its database is away; reconnect.
    """
    simulation = visible_simulation(request, simulation_id)
    find = partial(next_events, simulation.pk, request.auth.user)
    return streaming_response(request, EventStream(find, resumed_after(last_event_id, after)))


@router.get(
    "/simulations/{any_uuid:simulation_id}/transcript",
    response={**MISSING, 422: ErrorOut},
    summary="The transcript as a file",
    openapi_extra={"responses": {200: {"description": "A file.", "content": FILES}}},
)
@needs(Scope.SIMULATIONS_READ, row=visible_simulation)
def get_transcript(
    request: AuthedRequest,
    simulation_id: UUID,
    format: Annotated[TranscriptFormat, Query()] = TranscriptFormat.JSON,  # noqa: A002 - the API's word
) -> HttpResponse:
    """`json`, `csv`, `markdown`, or `openai` (messages in the format of chat models)."""
    simulation = visible_simulation(request, simulation_id)
    formatter = FORMATTERS[format]
    text = formatter.write(simulation, collect_history(simulation))
    response = HttpResponse(text, content_type=formatter.content_type)
    response["Content-Disposition"] = f'attachment; filename="transcript-{simulation.uuid}.{formatter.extension}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
