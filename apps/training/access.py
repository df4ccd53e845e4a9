"""Who may see a page. What is not yours does not exist: 404."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse, reverse_lazy

from apps.accounts.models import User
from apps.accounts.roles import Action, Reach, Resource, reach
from apps.simulation.models import Simulation

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
            there = redirect_to_login(page or reverse("training:home"), str(SIGN_IN))
            return HttpResponse(status=401, headers={"HX-Redirect": there["Location"]})
        return redirect_to_login(request.get_full_path(), str(SIGN_IN))

    return checked


def directs(user: User) -> bool:
    """Whether this person sees the sessions of all trainees."""
    return reach(user, Action.VIEW, Resource.SESSION) is Reach.ANY


def for_instructors(view: View) -> View:
    """Pages that a trainee is not told about."""

    @signed_in
    @wraps(view)
    def checked(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not directs(request.user):
            raise Http404("There is no such page.")
        return view(request, *args, **kwargs)

    return checked


def visible(user: User, simulation_id: UUID) -> Simulation:
    """The simulation, when the user may read it; else Http404."""
    found = Simulation.objects.visible_to(user).select_related("user").filter(uuid=simulation_id).first()
    if found is None:
        raise Http404("There is no such simulation.")
    return found


def changeable(user: User, simulation_id: UUID) -> Simulation:
    """The simulation, when the user may talk in it and end it; else Http404."""
    found = Simulation.objects.changeable_by(user).select_related("user").filter(uuid=simulation_id).first()
    if found is None:
        raise Http404("There is no such simulation of yours.")
    return found
