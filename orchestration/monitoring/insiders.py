"""Access to internal pages: `/metrics` and the API documentation."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, runtime_checkable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from orchestration.typed_settings import optional_setting


@runtime_checkable
class Staff(Protocol):
    """A user who may be staff: models of users need not have either attribute."""

    is_active: bool
    is_staff: bool


View = Callable[..., HttpResponseBase]
HINT = "Sign in as staff, or send INSIDE_TOKEN (ORCA_INSIDE_TOKEN in the environment) as `Authorization: Bearer ...`.\n"


def for_insiders(view: View) -> View:
    """Open to everybody with INSIDE_PAGES_OPEN, whose default is DEBUG; otherwise to signed-in staff and to requests
    with INSIDE_TOKEN."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not (optional_setting("INSIDE_PAGES_OPEN", settings.DEBUG) or _has_token(request) or _is_staff(request)):
            refused = HttpResponse(HINT, status=401, content_type="text/plain; charset=utf-8")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        return view(request, *args, **kwargs)

    return checked


def _has_token(request: HttpRequest) -> bool:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    expected: str = optional_setting("INSIDE_TOKEN", "")
    return bool(expected) and kind.lower() == "bearer" and constant_time_compare(token.strip(), expected)


def _is_staff(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)  # nobody, where no middleware signs people in
    return isinstance(user, Staff) and user.is_active and user.is_staff
