"""Who may see a page. Rows of others answer 404."""

from __future__ import annotations

from functools import wraps
from typing import Any
from uuid import UUID

from django.http import Http404
from django.http.response import HttpResponseBase

from apps.accounts.decorators import PageRequest, View, signed_in
from apps.accounts.models import User
from apps.shell.navigation import directs as directs
from apps.simulation.models import Simulation


def for_instructors(view: View) -> View:
    """Pages for instructors; trainees get 404."""

    @signed_in
    @wraps(view)
    def checked(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
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
    """The simulation, when the user may write in it and end it; else Http404."""
    found = Simulation.objects.changeable_by(user).select_related("user").filter(uuid=simulation_id).first()
    if found is None:
        raise Http404("You have no such simulation.")
    return found
