"""Pages for people who are signed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse, reverse_lazy

from apps.accounts.models import User

SIGN_IN = reverse_lazy("accounts:sign_in")
View = Callable[..., HttpResponse]


class PageRequest(HttpRequest):
    """A request that passed `signed_in`."""

    user: User


def signed_in(view: View) -> View:
    """Others are sent to sign in; a page that lives on by htmx is sent there as a whole."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User):
            return view(request, *args, **kwargs)
        if "HX-Request" in request.headers:
            page = urlsplit(request.headers.get("HX-Current-URL", "")).path
            there = redirect_to_login(page or reverse("home"), str(SIGN_IN))
            return HttpResponse(status=401, headers={"HX-Redirect": there["Location"]})
        return redirect_to_login(request.get_full_path(), str(SIGN_IN))

    return checked
