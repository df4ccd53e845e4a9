"""Who may do what with a simulation over REST. Simulations of others answer 404."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from apps.accounts.auth import AuthedRequest, check_changeable, require
from apps.accounts.models.roles import Action, Reach, Resource, Scope, reach
from apps.accounts.throttle import ASKING, Window
from apps.simulation.errors import SimulationRefused
from apps.simulation.models import Simulation
from apps.simulation.models.simulations import SimulationQuerySet
from orchestration.api.errors import ApiError, found, refused_as
from orchestration.api.schemas import ErrorOut

REFUSED = {401: ErrorOut, 403: ErrorOut, 429: ErrorOut}
MISSING = {**REFUSED, 404: ErrorOut}

SEEN = "_seen_simulation"
UPLOADS = Window(name="uploads", limit=30, seconds=60)


def check_asking(request: AuthedRequest) -> None:
    """ApiError 429 when this person sends too many requests that a model answers."""
    ASKING.check(str(request.auth.user.pk), "requests that are answered by a model")


def visible_simulation(request: AuthedRequest, simulation_id: UUID) -> Simulation:
    """The simulation, when the caller may read it; ApiError 403 without the scope, 404 when it is not theirs."""
    user = require(request, Scope.SIMULATIONS_READ).user
    known: Simulation | None = vars(request).get(SEEN)
    if known is None or str(known.uuid) != str(simulation_id):
        known = _found(Simulation.objects.visible_to(user), simulation_id)
        setattr(request, SEEN, known)  # the authentication looks it up before the operation does: one query for both
    return known


def changeable_simulation(request: AuthedRequest, simulation_id: UUID) -> Simulation:
    """As `visible_simulation`, to change it; ApiError 403 when the caller may read it but no more."""
    user = require(request, Scope.SIMULATIONS_WRITE).user
    simulation = _found(Simulation.objects.visible_to(user), simulation_id)
    check_changeable(simulation, user)
    return simulation


def askable_simulation(request: AuthedRequest, simulation_id: UUID) -> Simulation:
    """As `changeable_simulation`, for a request that a model answers; ApiError 429 when the caller sends too many."""
    simulation = changeable_simulation(request, simulation_id)
    check_asking(request)
    return simulation


def _found(rows: SimulationQuerySet, simulation_id: UUID) -> Simulation:
    rows = rows.filter(uuid=simulation_id).select_related("initial_call", "feedback_call")
    return found(rows.first(), "There is no such simulation.")


def directs(request: AuthedRequest) -> bool:
    """Whether the caller sees sessions as instructors do: hidden pictures, diagnosis, notes."""
    return reach(request.auth.user, Action.VIEW, Resource.SESSION) is Reach.ANY


REFUSALS: dict[type[Exception], int | Callable[[Any], ApiError]] = {SimulationRefused: 409}
refusals = partial(refused_as, REFUSALS)
"""Turns the errors of simulations and their labs into ApiError."""
