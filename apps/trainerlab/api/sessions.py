"""Sessions over REST: the board, commands, notes, and the debrief."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models.roles import Action, Scope
from apps.simulation.api.permissions import MISSING, REFUSED, visible_simulation
from apps.simulation.errors import NotEnded
from apps.simulation.models import Simulation, SimulationStatus
from apps.trainerlab.api.permissions import refusals, session_for
from apps.trainerlab.api.schemas import (
    BoardRowOut,
    CommandIn,
    CommandOut,
    DebriefOut,
    FindingCommand,
    NoteIn,
    NoteOut,
    NoteText,
    TextCommand,
    VitalsCommand,
)
from apps.trainerlab.api.serializers import board_row_shown, command_shown, debrief_shown, note_shown
from apps.trainerlab.models import InstructorNote, SessionEvent
from apps.trainerlab.services.board import board
from apps.trainerlab.services.commands import (
    add_note,
    change_note,
    change_vitals,
    end_session,
    give_direction,
    inject_event,
    inject_finding,
    pause,
    remove_note,
    resume,
)
from apps.trainerlab.services.debrief import debrief
from orchestration.api.errors import ApiError, found
from orchestration.api.permissions import needs
from orchestration.api.schemas import ErrorOut

router = Router(tags=["training"])
TEXT_COMMANDS = {"event": inject_event, "direction": give_direction}
STATE_COMMANDS = {"pause": pause, "resume": resume, "end": end_session}


def directed_session(request: AuthedRequest, simulation_id: UUID) -> Simulation:
    """A session, for those who direct it."""
    return session_for(request, simulation_id, Action.CHANGE)


def _notes(simulation: Simulation) -> QuerySet[InstructorNote]:
    rows = InstructorNote.objects.filter(session__simulation=simulation).select_related("author", "session")
    return rows.order_by("id")


def _own_note(request: AuthedRequest, simulation_id: UUID, note_id: int) -> InstructorNote:
    rows = _notes(directed_session(request, simulation_id))
    note = found(rows.filter(pk=note_id).first(), "There is no such note on this session.")
    if note.author != request.auth.user:
        raise ApiError(403, "read_only", "Only its author may change a note.")
    return note


@router.get(
    "/board",
    response={200: list[BoardRowOut], **REFUSED, 422: ErrorOut},
    summary="Running and recently ended sessions, running ones first",
)
@needs(Scope.TRAINING_READ)
def get_board(
    request: AuthedRequest,
    status: Annotated[list[SimulationStatus], Query()] = [],  # noqa: B006 - never changed
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> list[dict[str, Any]]:
    """For instructors."""
    user = require(request, Scope.TRAINING_READ).user
    return [board_row_shown(request, row) for row in board(user, statuses=status, limit=limit)]


@router.get(
    "/simulations/{any_uuid:simulation_id}/commands",
    response={200: list[CommandOut], **MISSING},
    summary="The commands of instructors in a session, in order",
)
@needs(Scope.TRAINING_READ, Scope.SIMULATIONS_READ)
def list_commands(request: AuthedRequest, simulation_id: UUID) -> list[dict[str, Any]]:
    """At most the first 500."""
    simulation = session_for(request, simulation_id, Action.VIEW)
    rows = SessionEvent.objects.filter(session__simulation=simulation).select_related("actor")
    return [command_shown(event) for event in rows.order_by("id")[:500]]


@router.post(
    "/simulations/{any_uuid:simulation_id}/commands",
    response={200: CommandOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Inject an event or a finding, change the vital signs, direct the patient, pause, resume or end",
)
@needs(Scope.TRAINING_WRITE, Scope.SIMULATIONS_READ, row=directed_session)
def direct(request: AuthedRequest, simulation_id: UUID, body: CommandIn) -> dict[str, Any]:
    """The same `command_key` sent twice is carried out once, and returns the same response."""
    simulation = directed_session(request, simulation_id)
    with refusals():
        return command_shown(_carry_out(simulation, request, body))


def _carry_out(simulation: Simulation, request: AuthedRequest, body: CommandIn) -> SessionEvent:
    command, actor = body.root, request.auth.user
    if isinstance(command, TextCommand):
        return TEXT_COMMANDS[command.kind](simulation.pk, actor, command.command_key, command.text)
    if isinstance(command, FindingCommand):
        return inject_finding(simulation.pk, actor, command.command_key, command.finding)
    if isinstance(command, VitalsCommand):
        return change_vitals(simulation.pk, actor, command.command_key, command.vitals.model_dump())
    return STATE_COMMANDS[command.kind](simulation.pk, actor, command.command_key)


@router.get(
    "/simulations/{any_uuid:simulation_id}/notes",
    response={200: list[NoteOut], **MISSING},
    summary="Notes of instructors on a session and its messages",
)
@needs(Scope.TRAINING_READ, Scope.SIMULATIONS_READ)
def list_notes(request: AuthedRequest, simulation_id: UUID) -> list[dict[str, Any]]:
    """In the order they were written, at most 500."""
    return [note_shown(note) for note in _notes(session_for(request, simulation_id, Action.VIEW))[:500]]


@router.post(
    "/simulations/{any_uuid:simulation_id}/notes",
    response={201: NoteOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Write a note on the session or on one message",
)
@needs(Scope.TRAINING_WRITE, Scope.SIMULATIONS_READ, row=directed_session)
def create_note(request: AuthedRequest, simulation_id: UUID, body: NoteIn) -> Status[dict[str, Any]]:
    """The trainee sees it in the debrief."""
    simulation = directed_session(request, simulation_id)
    with refusals():
        note = add_note(simulation.pk, request.auth.user, body.content, body.message_sequence)
    return Status(201, note_shown(note))


@router.put(
    "/simulations/{any_uuid:simulation_id}/notes/{int:note_id}",
    response={200: NoteOut, **MISSING, 422: ErrorOut},
    summary="Change one of your notes",
)
@needs(Scope.TRAINING_WRITE, Scope.SIMULATIONS_READ, row=_own_note)
def edit_note(request: AuthedRequest, simulation_id: UUID, note_id: int, body: NoteText) -> dict[str, Any]:
    return note_shown(change_note(_own_note(request, simulation_id, note_id), body.content))


@router.delete(
    "/simulations/{any_uuid:simulation_id}/notes/{int:note_id}",
    response={204: None, **MISSING},
    summary="Delete one of your notes",
)
@needs(Scope.TRAINING_WRITE, Scope.SIMULATIONS_READ)
def delete_note(request: AuthedRequest, simulation_id: UUID, note_id: int) -> Status[None]:
    remove_note(_own_note(request, simulation_id, note_id))
    return Status(204, None)


@router.get(
    "/simulations/{any_uuid:simulation_id}/debrief",
    response={200: DebriefOut, **MISSING, 409: ErrorOut},
    summary="The debrief of a session: transcript with notes, metrics, feedback",
)
@needs(Scope.SIMULATIONS_READ)
def get_debrief(request: AuthedRequest, simulation_id: UUID) -> dict[str, Any]:
    """After the end, for instructors and for the trainee whose session it was."""
    simulation = visible_simulation(request, simulation_id)
    with refusals():
        if not simulation.has_ended:
            raise NotEnded("The debrief is available after the end. End the simulation first.")
    return debrief_shown(debrief(simulation))
