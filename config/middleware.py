"""Request ids in and out, the error envelope for what fails outside the API's own handlers, and files in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from config.envelope import REQUEST_ID, assign_request_id, in_envelope

Answer = Callable[[HttpRequest], Any]
PIECE = 1 << 18
"""Bytes of a file that are read at once."""


@sync_and_async_middleware
def request_identity(get_response: Answer) -> Answer:
    """Stands first, so that whatever answers carries `X-Request-ID`, and below the API the envelope."""
    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            assigned = assign_request_id(request)
            return _in_pieces(_sealed(request, await answer(request), assigned))

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        assigned = assign_request_id(request)
        return _sealed(request, get_response(request), assigned)

    return synchronous


def _in_pieces(response: HttpResponseBase) -> HttpResponseBase:
    """Under ASGI Django reads all that a synchronous iterator has before it sends anything: an export of 500 MB."""
    if isinstance(response, StreamingHttpResponse) and not response.is_async:
        if isinstance(response, FileResponse):
            response.block_size = PIECE
        response.streaming_content = _pieces(iter(response.streaming_content))
    return response


async def _pieces(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each is read in a thread, when it is wanted."""
    while part := await sync_to_async(next, thread_sensitive=False)(parts, b""):
        yield part


def _sealed(request: HttpRequest, response: HttpResponseBase, assigned: str) -> HttpResponseBase:
    response = in_envelope(request, response)
    response[REQUEST_ID] = assigned
    return response
