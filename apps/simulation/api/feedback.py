"""Feedback on a simulation over REST, and questions about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ninja import Router, Status

from apps.accounts.auth import AuthedRequest
from apps.accounts.models.roles import Scope
from apps.simulation.api.permissions import (
    MISSING,
    askable_simulation,
    changeable_simulation,
    refusals,
    visible_simulation,
)
from apps.simulation.api.schemas import FeedbackAccepted, FeedbackOut, QuestionIn, QuestionOut
from apps.simulation.api.serializers import call_shown, feedback_shown, question_shown
from apps.simulation.models import FeedbackQuestion
from apps.simulation.services.feedback import ask_about_feedback, regenerate_feedback, retry_question
from orchestration.api.errors import ApiError
from orchestration.api.permissions import needs
from orchestration.api.schemas import ErrorOut

router = Router(tags=["simulations"])


@router.get(
    "/simulations/{any_uuid:simulation_id}/feedback",
    response={200: FeedbackOut, **MISSING},
    summary="The feedback on a simulation, and whether it is still being written",
)
@needs(Scope.SIMULATIONS_READ)
def get_feedback(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    """`status` is `none` before the end, or when nothing was said; `versions` has the newest feedback first."""
    return feedback_shown(visible_simulation(request, simulation_id))


@router.post(
    "/simulations/{any_uuid:simulation_id}/feedback/regenerate",
    response={202: FeedbackAccepted, **MISSING, 409: ErrorOut},
    summary="Regenerate the feedback; older versions stay",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def regenerate(request: AuthedRequest, simulation_id: UUID) -> Status[dict[str, Any]]:
    """409 before the end, while feedback is being written, and when nothing was said."""
    simulation = askable_simulation(request, simulation_id)
    with refusals():
        simulation = regenerate_feedback(simulation.pk, request.auth.user)
    return Status(202, {**feedback_shown(simulation), "call": call_shown(request, simulation.feedback_call)})


@router.get(
    "/simulations/{any_uuid:simulation_id}/feedback/questions",
    response={200: list[QuestionOut], **MISSING},
    summary="Questions about the feedback, in order",
)
@needs(Scope.SIMULATIONS_READ)
def list_feedback_questions(request: AuthedRequest, simulation_id: UUID) -> list[dict[str, Any]]:
    """At most the last 200."""
    simulation = visible_simulation(request, simulation_id)
    newest = FeedbackQuestion.objects.filter(simulation=simulation).order_by("-id")[:200]
    return [question_shown(question) for question in reversed(newest)]


@router.post(
    "/simulations/{any_uuid:simulation_id}/feedback/questions",
    response={202: QuestionOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Ask something about the feedback",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def ask_feedback_question(request: AuthedRequest, simulation_id: UUID, body: QuestionIn) -> Status[dict[str, Any]]:
    """The answer is written into the question; poll it, or follow the events."""
    simulation = askable_simulation(request, simulation_id)
    with refusals():
        question = ask_about_feedback(simulation.pk, request.auth.user, body.question, body.client_id)
    return Status(202, question_shown(question))


@router.post(
    "/simulations/{any_uuid:simulation_id}/feedback/questions/{int:question_id}/retry",
    response={202: QuestionOut, **MISSING, 409: ErrorOut},
    summary="Retry a question that failed",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def retry_feedback_question(request: AuthedRequest, simulation_id: UUID, question_id: int) -> Status[dict[str, Any]]:
    simulation = askable_simulation(request, simulation_id)
    try:
        with refusals():
            question = retry_question(simulation.pk, question_id)
    except FeedbackQuestion.DoesNotExist as error:
        raise ApiError(404, "not_found", "There is no such question about this feedback.") from error
    return Status(202, question_shown(question))
