"""Pages, those of the console, too, show times in the reader's zone. The API keeps UTC, as logs and programs do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

from apps.accounts.reader_zone import zone_of
from config.http.error_envelope import is_api


@sync_and_async_middleware
def reader_zone(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware."""
    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            with timezone.override(_shown_in(request)):
                return await answer(request)

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(_shown_in(request)):
            response: HttpResponseBase = get_response(request)
            return response

    return synchronous


def _shown_in(request: HttpRequest) -> Any:
    return None if is_api(request) else zone_of(request)
