"""Uploads that may be larger than others."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, runtime_checkable

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect


@runtime_checkable
class Bounded(Protocol):
    """An upload handler that refuses what is larger than its limit."""

    limit: int


def accepts_uploads(limit: int) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """For a view that takes uploads of up to `limit` bytes. Innermost of the decorators: who may not use the view is
    refused before the body is read. The CSRF token is checked here, because the middleware's check would read the body
    before the limit is raised."""

    def decorated(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        protected = csrf_protect(view)

        @csrf_exempt
        @wraps(view)
        def raised(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            for handler in request.upload_handlers:
                if isinstance(handler, Bounded):
                    handler.limit = limit
            return protected(request, *args, **kwargs)

        return raised

    return decorated
