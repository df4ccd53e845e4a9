"""Simulations over REST: create, list, look at, end. What is not yours is 404."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.roles import Action, Reach, Resource, Scope, reach
from apps.simulation.lifecycle import end_simulation, start_simulation
from apps.simulation.models import Simulation, SimulationMetadata, SimulationQuerySet
from apps.simulation.schemas import MetadataOut, SimulationCreated, SimulationIn, SimulationOut, SimulationPage
from orchestration.api_access import call_links, link
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut
from orchestration.models import ServiceCallRecord

router = Router(tags=["simulations"])

REFUSED = {401: ErrorOut, 403: ErrorOut}
MISSING = {**REFUSED, 404: ErrorOut}


@router.post(
    "/simulations",
    response={202: SimulationCreated, **REFUSED, 422: ErrorOut},
    summary="Create a simulation; the patient's first message is generated",
)
def create_simulation(request: AuthedRequest, body: SimulationIn) -> Status[dict[str, Any]]:
    """The answer comes at once, with the call that brings the first message; replies to early questions wait for it."""
    user = require(request, Scope.SIMULATIONS_WRITE).user
    simulation = start_simulation(user, **body.fields())
    call = simulation.initial_call
    return Status(202, {**shown(request, simulation), "call": call_shown(request, call) if call else None})


@router.get("/simulations", response={200: SimulationPage, **REFUSED, 422: ErrorOut}, summary="List simulations")
def list_simulations(
    request: AuthedRequest,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    user = require(request, Scope.SIMULATIONS_READ).user
    rows = Simulation.objects.visible_to(user)
    if after is not None:
        cursor = rows.filter(uuid=after).values_list("pk", flat=True).first()
        if cursor is None:
            raise ApiError(422, "unknown_cursor", "`after` is not a simulation of yours. Start without it.")
        rows = rows.filter(pk__lt=cursor)
    page = list(rows.order_by("-pk")[: limit + 1])
    return {
        "items": [shown(request, simulation) for simulation in page[:limit]],
        "next": page[limit - 1].uuid if len(page) > limit else None,
    }


@router.get("/simulations/{uuid:simulation_id}", response={200: SimulationOut, **MISSING}, summary="One simulation")
def get_simulation(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    return shown(request, visible_simulation(request, simulation_id))


@router.get(
    "/simulations/{uuid:simulation_id}/metadata",
    response={200: list[MetadataOut], **MISSING},
    summary="What is known about the patient so far",
)
def list_metadata(request: AuthedRequest, simulation_id: UUID) -> list[SimulationMetadata]:
    return list(visible_simulation(request, simulation_id).metadata.all())


@router.post(
    "/simulations/{uuid:simulation_id}/end",
    response={200: SimulationOut, **MISSING},
    summary="End a simulation; doing it again changes nothing",
)
def end(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    simulation = changeable_simulation(request, simulation_id)
    end_simulation(simulation)
    simulation.refresh_from_db()
    return shown(request, simulation)


# --- for this router and those of the labs ----------------------------------------------------


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
    simulation = rows.filter(uuid=simulation_id).first()
    if simulation is None:
        raise ApiError(404, "not_found", "There is no such simulation.")
    return simulation


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
        "metadata_checksum": simulation.metadata_checksum,
        "created_at": simulation.created_at,
        "started_at": simulation.started_at,
        "ended_at": simulation.ended_at,
        "links": {
            "self": link(request, "get_simulation", simulation_id=simulation.uuid),
            "messages": link(request, "list_messages", simulation_id=simulation.uuid),
        },
    }


def call_shown(request: HttpRequest, call: ServiceCallRecord) -> dict[str, Any]:
    """A call as CallOut."""
    return {"id": call.pk, "status": call.status, "links": call_links(request, call.pk)}
