"""Feedback on a simulation over REST, and questions about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ninja import Router, Status

from apps.accounts.auth import AuthedRequest
from apps.simulation.api_access import (
    MISSING,
    call_shown,
    changeable_simulation,
    check_asking,
    refusals,
    visible_simulation,
)
from apps.simulation.debriefing import ask_about_feedback, regenerate_feedback, retry_question
from apps.simulation.models import FeedbackQuestion, FeedbackStatus, QuestionStatus, Simulation
from apps.simulation.schemas import FeedbackAccepted, FeedbackOut, QuestionIn, QuestionOut
from apps.simulation.verdicts import reason_of
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["simulations"])


@router.get(
    "/simulations/{uuid:simulation_id}/feedback",
    response={200: FeedbackOut, **MISSING},
    summary="The feedback on a simulation, and whether it is still being made",
)
def get_feedback(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    """`status` is `none` before the end, or when nothing was said; `versions` has the newest feedback first."""
    return feedback_shown(visible_simulation(request, simulation_id))


@router.post(
    "/simulations/{uuid:simulation_id}/feedback/regenerate",
    response={202: FeedbackAccepted, **MISSING, 409: ErrorOut},
    summary="Make the feedback anew; older versions stay",
)
def regenerate(request: AuthedRequest, simulation_id: UUID) -> Status[dict[str, Any]]:
    """409 before the end, while feedback is being made, and when nothing was said."""
    simulation = changeable_simulation(request, simulation_id)
    check_asking(request)
    with refusals():
        simulation = regenerate_feedback(simulation.pk, request.auth.user)
    return Status(202, {**feedback_shown(simulation), "call": call_shown(request, simulation.feedback_call)})


@router.get(
    "/simulations/{uuid:simulation_id}/feedback/questions",
    response={200: list[QuestionOut], **MISSING},
    summary="Questions about the feedback, in order",
)
def list_feedback_questions(request: AuthedRequest, simulation_id: UUID) -> list[dict[str, Any]]:
    """At most the last 200."""
    simulation = visible_simulation(request, simulation_id)
    newest = FeedbackQuestion.objects.filter(simulation=simulation).order_by("-id")[:200]
    return [question_shown(question) for question in reversed(newest)]


@router.post(
    "/simulations/{uuid:simulation_id}/feedback/questions",
    response={202: QuestionOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Ask something about the feedback",
)
def ask_feedback_question(request: AuthedRequest, simulation_id: UUID, body: QuestionIn) -> Status[dict[str, Any]]:
    """The answer is written into the question; poll it, or listen to the events."""
    simulation = changeable_simulation(request, simulation_id)
    check_asking(request)
    with refusals():
        question = ask_about_feedback(simulation.pk, request.auth.user, body.question, body.client_id)
    return Status(202, question_shown(question))


@router.post(
    "/simulations/{uuid:simulation_id}/feedback/questions/{int:question_id}/retry",
    response={202: QuestionOut, **MISSING, 409: ErrorOut},
    summary="Try a question again whose answer failed",
)
def retry_feedback_question(request: AuthedRequest, simulation_id: UUID, question_id: int) -> Status[dict[str, Any]]:
    simulation = changeable_simulation(request, simulation_id)
    check_asking(request)
    try:
        with refusals():
            question = retry_question(simulation.pk, question_id)
    except FeedbackQuestion.DoesNotExist as error:
        raise ApiError(404, "not_found", "There is no such question about this feedback.") from error
    return Status(202, question_shown(question))


def feedback_shown(simulation: Simulation) -> dict[str, Any]:
    """As FeedbackOut."""
    failed = simulation.feedback_status == FeedbackStatus.FAILED
    return {
        "status": simulation.feedback_status,
        "failure_code": simulation.feedback_failure_code,
        "failure_reason": reason_of(simulation.feedback_failure_code) if failed else None,
        "versions": list(simulation.feedback.order_by("-id")[:20]),
    }


def question_shown(question: FeedbackQuestion) -> dict[str, Any]:
    """As QuestionOut."""
    failed = question.status == QuestionStatus.FAILED
    return {
        "id": question.pk,
        "question": question.question,
        "answer": question.answer,
        "status": question.status,
        "failure_code": question.failure_code,
        "failure_reason": reason_of(question.failure_code) if failed else None,
        "client_id": question.client_id,
        "created_at": question.created_at,
        "answered_at": question.answered_at,
    }
