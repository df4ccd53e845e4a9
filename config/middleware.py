"""Request ids in and out, and the error envelope for what fails outside the API's own handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from config.envelope import REQUEST_ID, assign_request_id, in_envelope

Answer = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def request_identity(get_response: Answer) -> Answer:
    """Stands first, so that whatever answers carries `X-Request-ID`, and below the API the envelope."""
    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            assigned = assign_request_id(request)
            return _sealed(request, await answer(request), assigned)

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        assigned = assign_request_id(request)
        return _sealed(request, get_response(request), assigned)

    return synchronous


def _sealed(request: HttpRequest, response: HttpResponseBase, assigned: str) -> HttpResponseBase:
    response = in_envelope(request, response)
    response[REQUEST_ID] = assigned
    return response
