"""Scenarios, assignments and sessions as the API shows them."""

from __future__ import annotations

from typing import Any

from apps.accounts.auth import AuthedRequest
from apps.accounts.models.roles import Action, Reach, Resource, Scope, reach
from apps.simulation.api.serializers import links, question_shown
from apps.trainerlab.models import Assignment, InstructorNote, ScenarioTemplate, SessionEvent
from apps.trainerlab.services.board import BoardRow
from apps.trainerlab.services.debrief import Debrief, Metrics
from apps.trainerlab.services.import_export import minutes
from orchestration.api.permissions import link

SECRET = (
    *("diagnosis", "accepted_diagnoses", "treatment_points", "criteria"),
    *("scenario", "instructions", "modifiers", "findings"),
)
"""What reveals the case: for authors."""
TOLD = (
    *("title", "summary", "sim_patient_full_name", "chief_complaint"),
    *("patient_age", "patient_sex", "patient_occupation", "setting", "task"),
)
"""What everybody may know before the start."""


def scenario_shown(request: AuthedRequest, template: ScenarioTemplate) -> dict[str, Any]:
    """A scenario as ScenarioOut; fields that reveal the case only for authors."""
    author = (
        Scope.TRAINING_READ in request.auth.scopes
        and reach(request.auth.user, Action.VIEW, Resource.SCENARIO) is Reach.ANY
    )
    secret = template.values_of(SECRET) if author else dict.fromkeys(SECRET)
    return (
        secret
        | template.values_of(TOLD)
        | {
            "id": template.uuid,
            "key": template.key,
            "time_limit_minutes": minutes(template),
            "is_open": template.is_open,
            "holds_feedback": template.holds_feedback,
            "archived": template.archived_at is not None,
            "owner": template.owner.email if author and template.owner else None,
            "updated_at": template.updated_at,
            "links": {
                "self": link(request, "get_scenario", scenario_id=template.uuid),
                "start": link(request, "start_a_scenario", scenario_id=template.uuid),
            },
        }
    )


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


def board_row_shown(request: AuthedRequest, row: BoardRow) -> dict[str, Any]:
    simulation, left = row.simulation, row.time_left
    return {
        "simulation": simulation.uuid,
        "title": row.title,
        "trainee": simulation.user.email,
        "patient": simulation.sim_patient_full_name,
        "status": simulation.status,
        "feedback_status": simulation.feedback_status,
        "events": row.events,
        "messages": row.messages,
        "last_activity": row.last_activity,
        "time_left_seconds": None if left is None else int(left.total_seconds()),
        "links": links(request, simulation),
    }


def command_shown(event: SessionEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "kind": event.kind,
        "command_key": event.command_key,
        "data": event.data,
        "actor": event.actor.email if event.actor else None,
        "created_at": event.created_at,
    }


def note_shown(note: InstructorNote) -> dict[str, Any]:
    return {
        "id": note.pk,
        "content": note.content,
        "message_sequence": note.message_sequence,
        "author": note.author.email if note.author else None,
        "created_at": note.created_at,
        "updated_at": note.updated_at,
    }


def debrief_shown(seen: Debrief) -> dict[str, Any]:
    simulation = seen.simulation
    return {
        "simulation": simulation.uuid,
        "patient": simulation.sim_patient_full_name,
        "trainee": simulation.user.email,
        "diagnosis": simulation.diagnosis,
        "started_at": simulation.started_at,
        "ended_at": simulation.ended_at,
        "transcript": [
            {**line.entry, "sequence": line.sequence, "notes": [note_shown(note) for note in line.notes]}
            for line in seen.lines
        ],
        "missing": seen.missing,
        "metrics": metrics_shown(seen.metrics),
        "feedback_status": simulation.feedback_status,
        "feedback": seen.feedback,
        "questions": [question_shown(question) for question in seen.questions],
        "results": seen.results,
        "commands": [command_shown(event) for event in seen.commands],
        "notes": [note_shown(note) for note in seen.notes],
    }


def metrics_shown(metrics: Metrics) -> dict[str, Any]:
    duration, thinking = metrics.duration, metrics.median_thinking
    return {
        "duration_seconds": None if duration is None else int(duration.total_seconds()),
        "messages": metrics.messages,
        "questions": metrics.questions,
        "answers": metrics.answers,
        "words_of_trainee": metrics.words_of_trainee,
        "words_of_patient": metrics.words_of_patient,
        "orders": metrics.orders,
        "results": metrics.results,
        "events_injected": metrics.events_injected,
        "paused_seconds": int(metrics.paused.total_seconds()),
        "median_thinking_seconds": None if thinking is None else round(thinking.total_seconds(), 1),
    }
