"""Assignments over REST: instructors give them, trainees start them."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models import User
from apps.accounts.roles import Scope
from apps.simulation.api_access import MISSING, REFUSED, check_asking, created_shown
from apps.simulation.schemas import SimulationCreated
from apps.trainerlab.api_access import refusals
from apps.trainerlab.models import Assignment, ScenarioTemplate
from apps.trainerlab.scenarios import assign, start_assignment, withdraw
from apps.trainerlab.schemas import AssignmentIn, AssignmentOut, AssignmentPage
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["training"])


@router.get("/assignments", response={200: AssignmentPage, **REFUSED, 422: ErrorOut}, summary="List assignments")
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
    page = list(rows.order_by("-pk")[: limit + 1])
    return {
        "items": [assignment_shown(assignment) for assignment in page[:limit]],
        "next": page[limit - 1].pk if len(page) > limit else None,
    }


@router.post(
    "/assignments",
    response={201: AssignmentOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Give a trainee a scenario to play",
)
def create_assignment(request: AuthedRequest, body: AssignmentIn) -> Status[dict[str, Any]]:
    """409 while the same trainee has the same scenario still to play."""
    user = require(request, Scope.TRAINING_WRITE).user
    template = ScenarioTemplate.objects.visible_to(user).filter(uuid=body.scenario).first()
    if template is None:
        raise ApiError(404, "not_found", "There is no such scenario.")
    trainee = User.objects.filter(email=body.trainee.lower(), is_active=True).first()
    if trainee is None:
        raise ApiError(422, "unknown_trainee", "Nobody has this email. Invite them first.")
    with refusals():
        assignment = assign(template, trainee, user, message=body.message, due_at=body.due_at)
    return Status(201, assignment_shown(assignment))


@router.post(
    "/assignments/{int:assignment_id}/start",
    response={202: SimulationCreated, **MISSING, 409: ErrorOut},
    summary="Start an assignment; doing it again gives the same simulation",
)
def start_an_assignment(request: AuthedRequest, assignment_id: int) -> Status[dict[str, Any]]:
    """For its trainee."""
    user = require(request, Scope.SIMULATIONS_WRITE).user
    if not Assignment.objects.filter(pk=assignment_id, trainee=user).exists():
        raise no_assignment()
    check_asking(request)
    with refusals():
        simulation = start_assignment(assignment_id)
    return Status(202, created_shown(request, simulation))


@router.post(
    "/assignments/{int:assignment_id}/withdraw",
    response={200: AssignmentOut, **MISSING, 409: ErrorOut},
    summary="Take back an assignment that nobody started; doing it again changes nothing",
)
def withdraw_assignment(request: AuthedRequest, assignment_id: int) -> dict[str, Any]:
    user = require(request, Scope.TRAINING_WRITE).user
    if not Assignment.objects.visible_to(user).filter(pk=assignment_id).exists():
        raise no_assignment()
    with refusals():
        withdraw(assignment_id)
    rows = Assignment.objects.select_related("template", "trainee", "assigned_by", "simulation")
    return assignment_shown(rows.get(pk=assignment_id))


def no_assignment() -> ApiError:
    return ApiError(404, "not_found", "There is no such assignment.")


def assignment_shown(assignment: Assignment) -> dict[str, Any]:
    """As AssignmentOut."""
    return {
        "id": assignment.pk,
        "scenario": assignment.template.uuid,
        "title": assignment.template.title,
        "trainee": assignment.trainee.email,
        "assigned_by": assignment.assigned_by.email if assignment.assigned_by else None,
        "message": assignment.message,
        "due_at": assignment.due_at,
        "simulation": assignment.simulation.uuid if assignment.simulation else None,
        "created_at": assignment.created_at,
        "withdrawn_at": assignment.withdrawn_at,
    }
