"""Pages are compressed: a list of the console takes a tenth of its bytes. Streams, files and the API are not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.decorators import sync_and_async_middleware

PAGE = "text/html"
_gzip = GZipMiddleware(lambda request: HttpResponse())
"""Used for what it does to a response, which it pads by a random length, so that a token in a page cannot be guessed
from how well it is compressed."""


@sync_and_async_middleware
def compressed_pages(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware. Django's own, as a class, takes another thread for each response of an asynchronous server."""
    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            return _compressed(request, await answer(request))

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        return _compressed(request, get_response(request))

    return synchronous


def _compressed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.streaming or not response.headers.get("Content-Type", "").startswith(PAGE):
        return response
    return _gzip.process_response(request, cast("HttpResponse", response))
