"""Simulations over REST: create, list, show, end. Simulations of others answer 404."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models.roles import Scope
from apps.simulation.api.permissions import (
    MISSING,
    REFUSED,
    changeable_simulation,
    check_asking,
    visible_simulation,
)
from apps.simulation.api.schemas import MetadataOut, SimulationCreated, SimulationIn, SimulationOut, SimulationPage
from apps.simulation.api.serializers import created_shown, shown
from apps.simulation.models import MetadataKind, Simulation, SimulationMetadata
from apps.simulation.services.lifecycle import end_simulation, start_simulation
from orchestration.api.permissions import needs
from orchestration.api.row_pages import older_than, page_shown
from orchestration.api.schemas import ErrorOut

router = Router(tags=["simulations"])


@router.post(
    "/simulations",
    response={202: SimulationCreated, **REFUSED, 422: ErrorOut},
    summary="Create a simulation; the patient's first message is generated",
)
@needs(Scope.SIMULATIONS_WRITE)
def create_simulation(request: AuthedRequest, body: SimulationIn) -> Status[dict[str, Any]]:
    """Answers at once, with the call that makes the first message; replies to early questions wait for it."""
    user = require(request, Scope.SIMULATIONS_WRITE).user
    check_asking(request)
    simulation = start_simulation(user, **body.fields())
    return Status(202, created_shown(request, simulation))


@router.get("/simulations", response={200: SimulationPage, **REFUSED, 422: ErrorOut}, summary="List simulations")
@needs(Scope.SIMULATIONS_READ)
def list_simulations(
    request: AuthedRequest,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Newest first, a trainee's own; `after` is the `next` of the page before."""
    user = require(request, Scope.SIMULATIONS_READ).user
    unknown = "`after` is not one of your simulations. Start without it."
    rows = older_than(Simulation.objects.visible_to(user).played(), after, unknown)
    return page_shown(rows.order_by("-pk"), limit, partial(shown, request), lambda simulation: simulation.uuid)


@router.get("/simulations/{any_uuid:simulation_id}", response={200: SimulationOut, **MISSING}, summary="One simulation")
@needs(Scope.SIMULATIONS_READ)
def get_simulation(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    """`last_event` is the event after which its stream continues."""
    return shown(request, visible_simulation(request, simulation_id))


@router.get(
    "/simulations/{any_uuid:simulation_id}/metadata",
    response={200: list[MetadataOut], **MISSING, 422: ErrorOut},
    summary="What is known about the patient",
)
@needs(Scope.SIMULATIONS_READ, row=visible_simulation)
def list_metadata(
    request: AuthedRequest, simulation_id: UUID, kind: MetadataKind | None = None
) -> list[SimulationMetadata]:
    """Facts and results; `extra` of a result has its unit, reference range and flag."""
    rows = visible_simulation(request, simulation_id).metadata.all()
    return list(rows if kind is None else rows.filter(kind=kind))


@router.post(
    "/simulations/{any_uuid:simulation_id}/end",
    response={200: SimulationOut, **MISSING},
    summary="End a simulation; doing it again changes nothing",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def end(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    """The feedback is written next, after any reply that is still pending."""
    simulation = changeable_simulation(request, simulation_id)
    end_simulation(simulation)
    return shown(request, simulation)
