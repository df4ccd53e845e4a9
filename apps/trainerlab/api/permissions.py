"""Who may do what on the trainer's side over REST."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from apps.accounts.auth import AuthedRequest, check_changeable, require
from apps.accounts.models import User
from apps.accounts.models.roles import Action, Reach, Resource, Scope, reach
from apps.simulation.api.images import refused
from apps.simulation.api.permissions import REFUSALS, visible_simulation
from apps.simulation.models import Simulation
from apps.simulation.services.image_upload import ImageRefused
from apps.trainerlab.models import ScenarioTemplate
from orchestration.api.errors import ApiError, found, refused_as

NO_SCENARIO = "There is no such scenario."


refusals = partial(refused_as, REFUSALS | {ImageRefused: refused})
"""Turns the errors of scenarios, sessions and pictures into ApiError."""


def session_for(request: AuthedRequest, simulation_id: UUID, action: Action) -> Simulation:
    """A simulation, for those who watch or direct it; ApiError 403 without scope or role, 404 for an unknown one."""
    scope = Scope.TRAINING_READ if action is Action.VIEW else Scope.TRAINING_WRITE
    user = require(request, scope).user
    if reach(user, action, Resource.SESSION) is not Reach.ANY:
        raise ApiError(403, "not_an_instructor", "Only instructors may do this.")
    return visible_simulation(request, simulation_id)


def startable_scenario(request: AuthedRequest, scenario_id: UUID) -> ScenarioTemplate:
    user = require(request, Scope.SIMULATIONS_WRITE).user
    return found(ScenarioTemplate.objects.startable_by(user).filter(uuid=scenario_id).first(), NO_SCENARIO)


def readable_scenario(request: AuthedRequest, scenario_id: UUID) -> ScenarioTemplate:
    """What the caller may start or read; see `scenario_shown` for how much of it."""
    user = require(request, Scope.SIMULATIONS_READ).user
    rows = ScenarioTemplate.objects.startable_by(user) | ScenarioTemplate.objects.visible_to(user)
    return found(rows.select_related("owner").filter(uuid=scenario_id).distinct().first(), NO_SCENARIO)


def changeable_scenario(request: AuthedRequest, scenario_id: UUID) -> ScenarioTemplate:
    user = require(request, Scope.TRAINING_WRITE).user
    template = visible_scenario(user, scenario_id)
    check_changeable(template, user)
    return template


def visible_scenario(user: User, scenario_id: UUID) -> ScenarioTemplate:
    """A scenario that this person may read as its author does; ApiError 404 otherwise."""
    return found(ScenarioTemplate.objects.visible_to(user).filter(uuid=scenario_id).first(), NO_SCENARIO)
