"""Who may see a page. What is not yours does not exist: 404."""

from __future__ import annotations

from functools import wraps
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse

from apps.accounts.models import User
from apps.accounts.page_access import PageRequest, View, signed_in
from apps.accounts.roles import Action, Reach, Resource, reach
from apps.simulation.models import Simulation


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
