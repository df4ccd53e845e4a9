"""Request ids, the error envelope for errors outside the API's handlers, and files sent in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from config.http.error_envelope import REQUEST_ID, assign_request_id, in_envelope
from config.http.error_pages import instead_of_technical

ASKED_BY_MACHINES = ("/healthz", "/readyz")
Answer = Callable[[HttpRequest], Any]
PIECE = 1 << 18
"""Bytes of a file that are read at once."""


@sync_and_async_middleware
def request_identity(get_response: Answer) -> Answer:
    """Comes first, so that every answer has `X-Request-ID`, and every error of the API the envelope."""
    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            _answer_to_any_host(request)
            assigned = assign_request_id(request)
            return _in_pieces(_sealed(request, await answer(request), assigned))

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        _answer_to_any_host(request)
        assigned = assign_request_id(request)
        return _sealed(request, get_response(request), assigned)

    return synchronous


def _answer_to_any_host(request: HttpRequest) -> None:
    """Load balancers ask by an address. The views for them do not use the host, so it need not be in ALLOWED_HOSTS."""
    if request.path_info in ASKED_BY_MACHINES:
        request.get_host = lambda: "localhost"  # type: ignore[method-assign]


def _in_pieces(response: HttpResponseBase) -> HttpResponseBase:
    """Under ASGI Django reads a synchronous iterator to its end before it sends anything, even 500 MB."""
    if isinstance(response, StreamingHttpResponse) and not response.is_async:
        if isinstance(response, FileResponse):
            response.block_size = PIECE
        response.streaming_content = _pieces(iter(response.streaming_content))
    return response


async def _pieces(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece is read in a thread when it is needed."""
    while part := await sync_to_async(next, thread_sensitive=False)(parts, b""):
        yield part


def _sealed(request: HttpRequest, response: HttpResponseBase, assigned: str) -> HttpResponseBase:
    response = instead_of_technical(request, in_envelope(request, response))
    response[REQUEST_ID] = assigned
    return response
