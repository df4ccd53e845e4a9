"""Uploads that may be larger than others."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from apps.simulation.services.image_upload import allow_upload


def accepts_uploads(limit: int) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """For a view that takes uploads of up to `limit` bytes. Innermost of the decorators: who may not use the view is
    refused before the body is read. The CSRF token is checked here, because the middleware's check would read the body
    before the limit is raised."""

    def decorated(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        protected = csrf_protect(view)

        @csrf_exempt
        @wraps(view)
        def raised(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            allow_upload(request, limit)
            return protected(request, *args, **kwargs)

        return raised

    return decorated
