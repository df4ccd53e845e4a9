"""Simulations, their feedback and their pictures as the API shows them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.accounts.auth import AuthedRequest
from apps.accounts.models.roles import Action, Reach, Resource, reach
from apps.simulation.models import FeedbackQuestion, FeedbackStatus, Simulation, SimulationImage
from apps.simulation.models.feedback import QuestionStatus
from apps.simulation.services.failure_messages import Subject, reason_of
from orchestration.api.permissions import call_links, link
from orchestration.models import ServiceCallRecord


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
        "patient_age": simulation.patient_age,
        "patient_sex": simulation.patient_sex,
        "patient_occupation": simulation.patient_occupation,
        "setting": simulation.setting,
        "task": simulation.task,
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


def feedback_shown(simulation: Simulation) -> dict[str, Any]:
    """As FeedbackOut."""
    failed = simulation.feedback_status == FeedbackStatus.FAILED
    return {
        "status": simulation.feedback_status,
        "failure_code": simulation.feedback_failure_code,
        "failure_reason": reason_of(simulation.feedback_failure_code, Subject.FEEDBACK) if failed else None,
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
        "failure_reason": reason_of(question.failure_code, Subject.ANSWER) if failed else None,
        "client_id": question.client_id,
        "created_at": question.created_at,
        "answered_at": question.answered_at,
    }


def image_shown(request: AuthedRequest, simulation: Simulation, image: SimulationImage) -> dict[str, Any]:
    """As ImageOut."""
    return {
        "id": image.uuid,
        "content_type": image.content_type,
        "width": image.width,
        "height": image.height,
        "size": image.size,
        "description": image.description,
        "hidden": image.revealed_at is None,
        "url": link(request, "get_image", simulation_id=simulation.uuid, image_id=image.uuid),
    }
