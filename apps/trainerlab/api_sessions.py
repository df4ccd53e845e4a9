"""Sessions over REST: the board, commands, notes, and the debrief."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.roles import Action, Scope
from apps.simulation.api_access import MISSING, REFUSED, links, visible_simulation
from apps.simulation.api_feedback import question_shown
from apps.simulation.errors import NotEnded
from apps.simulation.models import Simulation, SimulationStatus
from apps.trainerlab.api_access import refusals, session_for
from apps.trainerlab.board import BoardRow, board
from apps.trainerlab.debrief import Debrief, Metrics, debrief
from apps.trainerlab.directing import (
    add_note,
    change_note,
    end_session,
    give_direction,
    inject_event,
    inject_finding,
    pause,
    remove_note,
    resume,
)
from apps.trainerlab.models import InstructorNote, SessionEvent
from apps.trainerlab.schemas import (
    BoardRowOut,
    CommandIn,
    CommandOut,
    DebriefOut,
    FindingCommand,
    NoteIn,
    NoteOut,
    NoteText,
    TextCommand,
)
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["training"])
SAYING = {"event": inject_event, "direction": give_direction}
MOVING = {"pause": pause, "resume": resume, "end": end_session}


@router.get(
    "/board",
    response={200: list[BoardRowOut], **REFUSED, 422: ErrorOut},
    summary="Sessions that run now or ended lately, running ones first",
)
def get_board(
    request: AuthedRequest,
    status: Annotated[list[SimulationStatus], Query()] = [],  # noqa: B006 - never changed
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> list[dict[str, Any]]:
    """For instructors."""
    user = require(request, Scope.TRAINING_READ).user
    return [board_row_shown(request, row) for row in board(user, statuses=status, limit=limit)]


@router.get(
    "/simulations/{uuid:simulation_id}/commands",
    response={200: list[CommandOut], **MISSING},
    summary="What instructors did in a session, in order",
)
def list_commands(request: AuthedRequest, simulation_id: UUID) -> list[dict[str, Any]]:
    """At most the first 500."""
    simulation = session_for(request, simulation_id, Action.VIEW)
    rows = SessionEvent.objects.filter(session__simulation=simulation).select_related("actor")
    return [command_shown(event) for event in rows.order_by("id")[:500]]


@router.post(
    "/simulations/{uuid:simulation_id}/commands",
    response={200: CommandOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Inject an event or a finding, direct the patient, pause, resume or end",
)
def direct(request: AuthedRequest, simulation_id: UUID, body: CommandIn) -> dict[str, Any]:
    """The same `command_key` sent twice is carried out once, and gives the same answer."""
    simulation = session_for(request, simulation_id, Action.CHANGE)
    with refusals():
        return command_shown(_carry_out(simulation, request, body))


def _carry_out(simulation: Simulation, request: AuthedRequest, body: CommandIn) -> SessionEvent:
    command, actor = body.root, request.auth.user
    if isinstance(command, TextCommand):
        return SAYING[command.kind](simulation.pk, actor, command.command_key, command.text)
    if isinstance(command, FindingCommand):
        return inject_finding(simulation.pk, actor, command.command_key, command.finding)
    return MOVING[command.kind](simulation.pk, actor, command.command_key)


@router.get(
    "/simulations/{uuid:simulation_id}/notes",
    response={200: list[NoteOut], **MISSING},
    summary="Notes of instructors on a session and its messages",
)
def list_notes(request: AuthedRequest, simulation_id: UUID) -> list[dict[str, Any]]:
    """In the order they were written, at most 500."""
    return [note_shown(note) for note in _notes(session_for(request, simulation_id, Action.VIEW))[:500]]


@router.post(
    "/simulations/{uuid:simulation_id}/notes",
    response={201: NoteOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Write a note on the session or on one message",
)
def create_note(request: AuthedRequest, simulation_id: UUID, body: NoteIn) -> Status[dict[str, Any]]:
    """The trainee reads it in the debrief."""
    simulation = session_for(request, simulation_id, Action.CHANGE)
    with refusals():
        note = add_note(simulation.pk, request.auth.user, body.content, body.message_sequence)
    return Status(201, note_shown(note))


@router.put(
    "/simulations/{uuid:simulation_id}/notes/{int:note_id}",
    response={200: NoteOut, **MISSING, 422: ErrorOut},
    summary="Change a note of one's own",
)
def edit_note(request: AuthedRequest, simulation_id: UUID, note_id: int, body: NoteText) -> dict[str, Any]:
    return note_shown(change_note(_own_note(request, simulation_id, note_id), body.content))


@router.delete(
    "/simulations/{uuid:simulation_id}/notes/{int:note_id}",
    response={204: None, **MISSING},
    summary="Delete a note of one's own",
)
def delete_note(request: AuthedRequest, simulation_id: UUID, note_id: int) -> Status[None]:
    remove_note(_own_note(request, simulation_id, note_id))
    return Status(204, None)


@router.get(
    "/simulations/{uuid:simulation_id}/debrief",
    response={200: DebriefOut, **MISSING, 409: ErrorOut},
    summary="Everything for the talk after a session: transcript with notes, figures, feedback",
)
def get_debrief(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    """After the end, for instructors and for the trainee whose session it was."""
    simulation = visible_simulation(request, simulation_id)
    with refusals():
        if not simulation.has_ended:
            raise NotEnded("There is a debrief only after the end. End the simulation first.")
    return debrief_shown(debrief(simulation))


# --- shown ------------------------------------------------------------------------------------


def _notes(simulation: Simulation) -> QuerySet[InstructorNote]:
    rows = InstructorNote.objects.filter(session__simulation=simulation).select_related("author", "session")
    return rows.order_by("id")


def _own_note(request: AuthedRequest, simulation_id: UUID, note_id: int) -> InstructorNote:
    note = _notes(session_for(request, simulation_id, Action.CHANGE)).filter(pk=note_id).first()
    if note is None:
        raise ApiError(404, "not_found", "There is no such note on this session.")
    if note.author != request.auth.user:
        raise ApiError(403, "read_only", "Only who wrote a note may change it.")
    return note


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
