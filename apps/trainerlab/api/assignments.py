"""Assignments over REST: instructors make them, trainees start them."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models import User
from apps.accounts.models.roles import Scope
from apps.simulation.api.permissions import MISSING, REFUSED, check_asking
from apps.simulation.api.schemas import SimulationCreated
from apps.simulation.api.serializers import created_shown
from apps.trainerlab.api.permissions import refusals, visible_scenario
from apps.trainerlab.api.schemas import AssignmentIn, AssignmentOut, AssignmentPage
from apps.trainerlab.api.serializers import assignment_shown
from apps.trainerlab.models import Assignment
from apps.trainerlab.services.scenarios import assign, start_assignment, withdraw
from orchestration.api.errors import ApiError, found
from orchestration.api.permissions import needs
from orchestration.api.row_pages import page_shown
from orchestration.api.schemas import ErrorOut

router = Router(tags=["training"])
NO_ASSIGNMENT = "There is no such assignment."


def own_assignment(request: AuthedRequest, assignment_id: int) -> None:
    """ApiError 404 for an assignment of somebody else."""
    user = require(request, Scope.SIMULATIONS_WRITE).user
    found(Assignment.objects.filter(pk=assignment_id, trainee=user).first(), NO_ASSIGNMENT)


def visible_assignment(request: AuthedRequest, assignment_id: int) -> None:
    """ApiError 404 for an assignment that the caller may not see."""
    user = require(request, Scope.TRAINING_WRITE).user
    found(Assignment.objects.visible_to(user).filter(pk=assignment_id).first(), NO_ASSIGNMENT)


@router.get("/assignments", response={200: AssignmentPage, **REFUSED, 422: ErrorOut}, summary="List assignments")
@needs(Scope.SIMULATIONS_READ)
def list_assignments(
    request: AuthedRequest,
    after: Annotated[int, Query(ge=1, le=2**62)] | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    open: bool = False,  # noqa: A002 - the API's word
) -> dict[str, Any]:
    """Newest first; a trainee's own, for instructors all. `open`: neither started nor withdrawn."""
    user = require(request, Scope.SIMULATIONS_READ).user
    rows = Assignment.objects.visible_to(user)
    if open:
        rows = rows.open()
    if after is not None:
        rows = rows.filter(pk__lt=after)
    rows = rows.select_related("template", "trainee", "assigned_by", "simulation")
    return page_shown(rows.order_by("-pk"), limit, assignment_shown, lambda assignment: assignment.pk)


@router.post(
    "/assignments",
    response={201: AssignmentOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Assign a scenario to a trainee",
)
@needs(Scope.TRAINING_WRITE)
def create_assignment(request: AuthedRequest, body: AssignmentIn) -> Status[dict[str, Any]]:
    """409 while the trainee has an open assignment of the same scenario."""
    user = require(request, Scope.TRAINING_WRITE).user
    template = visible_scenario(user, body.scenario)
    trainee = User.objects.filter(email=body.trainee.lower(), is_active=True).first()
    if trainee is None:
        raise ApiError(422, "unknown_trainee", "There is no account with this email. Send an invitation first.")
    with refusals():
        assignment = assign(template, trainee, user, message=body.message, due_at=body.due_at)
    return Status(201, assignment_shown(assignment))


@router.post(
    "/assignments/{int:assignment_id}/start",
    response={202: SimulationCreated, **MISSING, 409: ErrorOut},
    summary="Start an assignment; doing it again returns the same simulation",
)
@needs(Scope.SIMULATIONS_WRITE, row=own_assignment)
def start_an_assignment(request: AuthedRequest, assignment_id: int) -> Status[dict[str, Any]]:
    """For its trainee."""
    own_assignment(request, assignment_id)
    check_asking(request)
    with refusals():
        simulation = start_assignment(assignment_id)
    return Status(202, created_shown(request, simulation))


@router.post(
    "/assignments/{int:assignment_id}/withdraw",
    response={200: AssignmentOut, **MISSING, 409: ErrorOut},
    summary="Withdraw an assignment that was not started; doing it again changes nothing",
)
@needs(Scope.TRAINING_WRITE, row=visible_assignment)
def withdraw_assignment(request: AuthedRequest, assignment_id: int) -> dict[str, Any]:
    visible_assignment(request, assignment_id)
    with refusals():
        withdraw(assignment_id)
    rows = Assignment.objects.select_related("template", "trainee", "assigned_by", "simulation")
    return assignment_shown(rows.get(pk=assignment_id))
