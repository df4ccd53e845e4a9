"""View decorators: sign-in and rate limits of pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse, reverse_lazy

from apps.accounts.error_pages import error_page
from apps.accounts.models import User
from apps.accounts.throttle import charge
from orchestration.api.errors import ApiError

READING = {"GET", "HEAD", "OPTIONS"}
SIGN_IN = reverse_lazy("accounts:sign_in")
View = Callable[..., HttpResponseBase]


class PageRequest(HttpRequest):
    """A request that passed `signed_in`."""

    user: User


def signed_in(view: View) -> View:
    """Redirects visitors who are not signed in to the sign-in page; for an htmx request, the whole page."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User):
            return too_often(request) or view(request, *args, **kwargs)
        if "HX-Request" in request.headers:
            page = urlsplit(request.headers.get("HX-Current-URL", "")).path
            there = redirect_to_login(page or reverse("home"), str(SIGN_IN))
            return HttpResponse(status=401, headers={"HX-Redirect": there["Location"]})
        return redirect_to_login(request.get_full_path(), str(SIGN_IN))

    return checked


def too_often(request: HttpRequest) -> HttpResponse | None:
    """Count a request that changes something; over the limit, the response that says so. The view of a request that
    a model answers counts it as well."""
    if request.method in READING or not isinstance(request.user, User):
        return None
    try:
        charge(request.user.pk, "writes")
    except ApiError as error:
        return refusal_response(request, error)
    return None


def refusal_response(request: HttpRequest, error: ApiError) -> HttpResponse:
    """A refusal as a page, for htmx as text."""
    answer = error_page(request, error.status, error.message)
    if error.details and "retry_after" in error.details:
        answer.headers["Retry-After"] = str(error.details["retry_after"])
    return answer
