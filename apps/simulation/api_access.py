"""Who may do what with a simulation over REST, and how it is shown. What is not yours is 404."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.roles import Action, Reach, Resource, Scope, reach
from apps.accounts.throttle import Window
from apps.simulation.errors import SimulationRefused
from apps.simulation.models import Simulation, SimulationQuerySet
from orchestration.api_access import call_links, link
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut
from orchestration.models import ServiceCallRecord

REFUSED = {401: ErrorOut, 403: ErrorOut, 429: ErrorOut}
MISSING = {**REFUSED, 404: ErrorOut}

ASKING = Window(name="asking", limit=60, seconds=60)
"""Requests of one person that make a model work."""
UPLOADS = Window(name="uploads", limit=30, seconds=60)


def check_asking(request: AuthedRequest) -> None:
    """ApiError 429 when this person lets models work too often."""
    ASKING.check(str(request.auth.user.pk), "requests that are answered by a model")


def visible_simulation(request: AuthedRequest, simulation_id: UUID) -> Simulation:
    """The simulation, when the caller may read it; ApiError 403 without the scope, 404 when it is not theirs."""
    user = require(request, Scope.SIMULATIONS_READ).user
    return _found(Simulation.objects.visible_to(user), simulation_id)


def changeable_simulation(request: AuthedRequest, simulation_id: UUID) -> Simulation:
    """As `visible_simulation`, to change it; ApiError 403 when the caller may read it but no more."""
    user = require(request, Scope.SIMULATIONS_WRITE).user
    simulation = _found(Simulation.objects.visible_to(user), simulation_id)
    if not Simulation.objects.changeable_by(user).filter(pk=simulation.pk).exists():
        raise ApiError(403, "read_only", "You may read this simulation, but only its owner may change it.")
    return simulation


def _found(rows: SimulationQuerySet, simulation_id: UUID) -> Simulation:
    simulation = rows.filter(uuid=simulation_id).select_related("initial_call", "feedback_call").first()
    if simulation is None:
        raise ApiError(404, "not_found", "There is no such simulation.")
    return simulation


def directs(request: AuthedRequest) -> bool:
    """Whether the caller sees sessions as instructors do: hidden pictures, diagnosis, notes."""
    return reach(request.auth.user, Action.VIEW, Resource.SESSION) is Reach.ANY


@contextmanager
def refusals() -> Iterator[None]:
    """What a simulation and its labs refuse, as the API says it."""
    try:
        yield
    except SimulationRefused as error:
        raise ApiError(409, error.code, str(error)) from error


def shown(request: AuthedRequest, simulation: Simulation) -> dict[str, Any]:
    """A simulation as SimulationOut, for this reader."""
    user = request.auth.user
    open_book = simulation.has_ended or reach(user, Action.VIEW, Resource.SIMULATION) is Reach.ANY
    limit = simulation.time_limit
    return {
        "id": simulation.uuid,
        "status": simulation.status,
        "failure_code": simulation.failure_code,
        "sim_patient_full_name": simulation.sim_patient_full_name,
        "chief_complaint": simulation.chief_complaint,
        "diagnosis": simulation.diagnosis if open_book else None,
        "scenario": simulation.scenario if open_book else None,
        "time_limit_minutes": None if limit is None else int(limit.total_seconds() // 60),
        "feedback_status": simulation.feedback_status,
        "metadata_checksum": simulation.metadata_checksum,
        "last_event": simulation.last_event,
        "created_at": simulation.created_at,
        "started_at": simulation.started_at,
        "ends_at": simulation.ends_at,
        "paused_at": simulation.paused_at,
        "ended_at": simulation.ended_at,
        "links": links(request, simulation),
    }


def links(request: HttpRequest, simulation: Simulation) -> dict[str, str]:
    names = {
        "self": "get_simulation",
        "messages": "list_messages",
        "metadata": "list_metadata",
        "feedback": "get_feedback",
        "transcript": "get_transcript",
        "events": "stream_simulation_events",
    }
    return {name: link(request, operation, simulation_id=simulation.uuid) for name, operation in names.items()}


def created_shown(request: AuthedRequest, simulation: Simulation) -> dict[str, Any]:
    """As SimulationCreated."""
    return {**shown(request, simulation), "call": call_shown(request, simulation.initial_call)}


def call_shown(request: HttpRequest, call: ServiceCallRecord | None) -> dict[str, Any] | None:
    """A call as CallOut; None when it was pruned."""
    if call is None:
        return None
    return {"id": call.pk, "status": call.status, "links": call_links(request, call.pk)}
