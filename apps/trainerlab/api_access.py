"""Who may do what on the trainer's side over REST."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.roles import Action, Reach, Resource, Scope, reach
from apps.simulation.api_access import refusals as simulation_refusals
from apps.simulation.api_access import visible_simulation
from apps.simulation.images import ImageRefused
from apps.simulation.models import Simulation
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.porting import minutes
from orchestration.api_access import link
from orchestration.api_errors import ApiError

STATUS_OF = {"too_large": 413, "not_an_image": 415, "wrong_type": 415, "too_many": 409}


@contextmanager
def refusals() -> Iterator[None]:
    """What scenarios, sessions and pictures refuse, as the API says it."""
    try:
        with simulation_refusals():
            yield
    except ImageRefused as error:
        raise ApiError(STATUS_OF.get(error.code, 422), error.code, str(error)) from error


def session_for(request: AuthedRequest, simulation_id: UUID, action: Action) -> Simulation:
    """A simulation for those who watch or direct it; ApiError 403 without scope or role, 404 for what is not there."""
    scope = Scope.TRAINING_READ if action is Action.VIEW else Scope.TRAINING_WRITE
    user = require(request, scope).user
    if reach(user, action, Resource.SESSION) is not Reach.ANY:
        raise ApiError(403, "not_an_instructor", "Only instructors may do this.")
    return visible_simulation(request, simulation_id)


def startable_scenario(request: AuthedRequest, scenario_id: UUID) -> ScenarioTemplate:
    user = require(request, Scope.SIMULATIONS_WRITE).user
    return _found(ScenarioTemplate.objects.startable_by(user).filter(uuid=scenario_id).first())


def readable_scenario(request: AuthedRequest, scenario_id: UUID) -> ScenarioTemplate:
    """What the caller may start or read; see `scenario_shown` for how much of it."""
    user = require(request, Scope.SIMULATIONS_READ).user
    rows = ScenarioTemplate.objects.startable_by(user) | ScenarioTemplate.objects.visible_to(user)
    return _found(rows.select_related("owner").filter(uuid=scenario_id).distinct().first())


def changeable_scenario(request: AuthedRequest, scenario_id: UUID) -> ScenarioTemplate:
    user = require(request, Scope.TRAINING_WRITE).user
    template = _found(ScenarioTemplate.objects.visible_to(user).filter(uuid=scenario_id).first())
    if not ScenarioTemplate.objects.changeable_by(user).filter(pk=template.pk).exists():
        raise ApiError(403, "read_only", "You may read this scenario, but only its owner may change it.")
    return template


def _found(template: ScenarioTemplate | None) -> ScenarioTemplate:
    if template is None:
        raise ApiError(404, "not_found", "There is no such scenario.")
    return template


def scenario_shown(request: AuthedRequest, template: ScenarioTemplate) -> dict[str, Any]:
    """A scenario as ScenarioOut; what gives the case away only for authors."""
    author = (
        Scope.TRAINING_READ in request.auth.scopes
        and reach(request.auth.user, Action.VIEW, Resource.SCENARIO) is Reach.ANY
    )
    secret = {
        name: getattr(template, name) if author else None
        for name in ("diagnosis", "scenario", "instructions", "modifiers", "findings")
    }
    return secret | {
        "id": template.uuid,
        "key": template.key,
        "title": template.title,
        "summary": template.summary,
        "sim_patient_full_name": template.sim_patient_full_name,
        "chief_complaint": template.chief_complaint,
        "time_limit_minutes": minutes(template),
        "is_open": template.is_open,
        "archived": template.archived_at is not None,
        "owner": template.owner.email if author and template.owner else None,
        "updated_at": template.updated_at,
        "links": {
            "self": link(request, "get_scenario", scenario_id=template.uuid),
            "start": link(request, "start_a_scenario", scenario_id=template.uuid),
        },
    }
