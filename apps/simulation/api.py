"""Simulations over REST: create, list, look at, end. What is not yours is 404."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.roles import Scope
from apps.simulation.api_access import (
    MISSING,
    REFUSED,
    changeable_simulation,
    check_asking,
    created_shown,
    shown,
    visible_simulation,
)
from apps.simulation.api_events import router as events
from apps.simulation.api_feedback import router as feedback
from apps.simulation.api_images import router as images
from apps.simulation.lifecycle import end_simulation, start_simulation
from apps.simulation.models import MetadataKind, Simulation, SimulationMetadata
from apps.simulation.schemas import MetadataOut, SimulationCreated, SimulationIn, SimulationOut, SimulationPage
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["simulations"])
for _part in (events, feedback, images):
    router.add_router("", _part)


@router.post(
    "/simulations",
    response={202: SimulationCreated, **REFUSED, 422: ErrorOut},
    summary="Create a simulation; the patient's first message is generated",
)
def create_simulation(request: AuthedRequest, body: SimulationIn) -> Status[dict[str, Any]]:
    """The answer comes at once, with the call that brings the first message; replies to early questions wait for it."""
    user = require(request, Scope.SIMULATIONS_WRITE).user
    check_asking(request)
    simulation = start_simulation(user, **body.fields())
    return Status(202, created_shown(request, simulation))


@router.get("/simulations", response={200: SimulationPage, **REFUSED, 422: ErrorOut}, summary="List simulations")
def list_simulations(
    request: AuthedRequest,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Newest first, a trainee's own; `after` is the `next` of the page before."""
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
    """`last_event` is where its stream of events goes on from."""
    return shown(request, visible_simulation(request, simulation_id))


@router.get(
    "/simulations/{uuid:simulation_id}/metadata",
    response={200: list[MetadataOut], **MISSING, 422: ErrorOut},
    summary="What is known about the patient so far",
)
def list_metadata(
    request: AuthedRequest, simulation_id: UUID, kind: MetadataKind | None = None
) -> list[SimulationMetadata]:
    """Facts and results; `extra` of a result has its unit, reference range and flag."""
    rows = visible_simulation(request, simulation_id).metadata.all()
    return list(rows if kind is None else rows.filter(kind=kind))


@router.post(
    "/simulations/{uuid:simulation_id}/end",
    response={200: SimulationOut, **MISSING},
    summary="End a simulation; doing it again changes nothing",
)
def end(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    """The feedback is made next, after a reply that is still on its way."""
    simulation = changeable_simulation(request, simulation_id)
    end_simulation(simulation)
    return shown(request, simulation)
