"""Content-Security-Policy: what pages may load and run, for every response without a policy of its own.

No page runs inline script. The console's theme evaluates expressions in attributes (Alpine), which needs
'unsafe-eval' there, and sets its colours in a style element.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEADER = "Content-Security-Policy"
STRICT = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
CONSOLE = STRICT | {"script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"}
API_DOCS = STRICT | {"style-src": "'self' 'unsafe-inline'"}
"""Swagger's page writes style elements."""


def policy_for(request: HttpRequest) -> str:
    """The header's value for the requested page."""
    match = request.resolver_match
    console = bool(match and (match.app_name == "admin" or match.route.startswith("admin/")))
    docs = bool(match and match.url_name == "openapi-view")
    parts = CONSOLE if console else API_DOCS if docs else STRICT
    return "; ".join(f"{name} {sources}" for name, sources in parts.items())


@sync_and_async_middleware
def page_policy(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware."""
    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            return _with_policy(request, await answer(request))

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        return _with_policy(request, get_response(request))

    return synchronous


def _with_policy(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault(HEADER, policy_for(request))
    return response
