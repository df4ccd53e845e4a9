"""The stream of a call: what its model says while it says it, as server-sent events."""

from __future__ import annotations

from typing import Annotated

from django.http import StreamingHttpResponse
from ninja import Query, Router

from orchestration.api.permissions import (
    CONTENT,
    READ,
    ApiRequest,
    for_any_api,
    needs,
    require_scope,
    shows_content,
    visible_call,
)
from orchestration.api.schemas import error_responses
from orchestration.api.sse import STREAM_ANSWER, EventStream, LastEventId, Poll, resumed_after, streaming_response
from orchestration.engine.streaming.listening import Listener, last_words
from orchestration.models import ServiceCallRecord

router = Router(tags=["service calls"])
router.add_decorator(for_any_api)

LAST = 2**63 - 1
PAUSE_SECONDS = 0.15
THREAD_SECONDS = 20.0
"""A listener takes a thread of a WSGI server no longer than this at a time, and comes back for the rest."""
After = Annotated[int, Query(ge=0, le=LAST, description="As Last-Event-ID, which takes precedence.")]


def readable_call(request: ApiRequest, call_id: str) -> ServiceCallRecord:
    """A call whose content the caller may read."""
    call = visible_call(request.auth, call_id)
    require_scope(request.auth, CONTENT)
    return call


@router.get(
    "/service-calls/{call_id}/stream",
    response=error_responses(404, 422),
    summary="What the model says while it says it, as server-sent events",
    openapi_extra=STREAM_ANSWER,
)
@needs(READ, row=readable_call)
def stream_service_call(
    request: ApiRequest, call_id: str, after: After = 0, last_event_id: LastEventId = None
) -> StreamingHttpResponse:
    """Needs what reading the call's content needs. Every event has an id; send the last one as `Last-Event-ID`, or as
    `after`, to continue. An id that is not of this stream begins it from the start.

    `text`: a piece, `{"part", "text", "attempt"}`; parts are numbered from 0. `discarded`: what was told does not
    count, and another attempt begins. `end`: the call has ended, `{"status", "error_code", "parts"}`, with the texts of
    the stored answer, which replace what was told. `stopping`, `unavailable`: reconnect.
    """
    call = readable_call(request, call_id)
    shows_content(request, call)
    return streaming_response(request, call_stream(call.pk, resumed_after(last_event_id, after, most=LAST)))


def call_stream(call_id: str, after: int) -> EventStream:
    """The stream of a call for one listener, whose permission was asked for."""
    listener = Listener(call_id)

    def poll(number: int) -> Poll:
        events, is_over = listener.news(number)
        return Poll(events=list(events), is_over=is_over, last_words=last_words(call_id) if is_over else {})

    return EventStream(poll, after, pause=PAUSE_SECONDS, thread_seconds=THREAD_SECONDS)
