"""What an instructor does in a session while it runs. Each command has a key and is carried out once per session.

Everything here takes the simulation's row lock first; the command, what it changes and the events that tell it
commit together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.simulation.cases import MAX_MODIFIERS, Finding
from apps.simulation.errors import NotPaused, NotRunning, SimulationEnded
from apps.simulation.facts import Fact, store_facts
from apps.simulation.lifecycle import announce, end_simulation
from apps.simulation.models import Audience, EventKind, Simulation, SimulationEvent
from apps.trainerlab.errors import CommandKeyReused, NoSuchMessage
from apps.trainerlab.models import CommandKind, InstructorNote, SessionEvent, TrainerSession

if TYPE_CHECKING:
    from apps.accounts.models import User

Effect = Callable[[Simulation, "User"], None]


def session_of(simulation: Simulation) -> TrainerSession:
    """The trainer's side of a simulation, made when it is asked for the first time."""
    return TrainerSession.objects.get_or_create(simulation=simulation)[0]


def inject_event(simulation_id: int, actor: User, command_key: str, text: str) -> SessionEvent:
    """Let something happen that everybody reads and the patient knows from then on. Raises SimulationEnded."""

    def effect(simulation: Simulation, actor: User) -> None:
        announce(simulation, text, actor)

    return _carry_out(simulation_id, actor, command_key, CommandKind.EVENT, {"text": text}, effect)


def give_direction(simulation_id: int, actor: User, command_key: str, text: str) -> SessionEvent:
    """Tell the patient, and nobody else, how to go on. Raises SimulationEnded."""

    def effect(simulation: Simulation, _: User) -> None:
        simulation.modifiers = [*simulation.modifiers, text][-MAX_MODIFIERS:]
        simulation.save(update_fields=["modifiers"])

    return _carry_out(simulation_id, actor, command_key, CommandKind.DIRECTION, {"text": text}, effect)


def inject_finding(simulation_id: int, actor: User, command_key: str, finding: Finding) -> SessionEvent:
    """Report a finding as if it had been ordered: metadata, and a message to everybody. Raises SimulationEnded."""

    def effect(simulation: Simulation, actor: User) -> None:
        store_facts(simulation, [Fact.of(finding)])
        announce(simulation, f"New finding: {finding.line()}", actor)

    return _carry_out(simulation_id, actor, command_key, CommandKind.FINDING, finding.model_dump(), effect)


def pause(simulation_id: int, actor: User, command_key: str) -> SessionEvent:
    """Stop clock and conversation. Raises NotRunning, SimulationEnded."""

    def effect(simulation: Simulation, _: User) -> None:
        if not simulation.pause():
            raise NotRunning

    return _carry_out(simulation_id, actor, command_key, CommandKind.PAUSE, {}, effect)


def resume(simulation_id: int, actor: User, command_key: str) -> SessionEvent:
    """Go on with the time that was left. Raises NotPaused, SimulationEnded."""

    def effect(simulation: Simulation, _: User) -> None:
        if not simulation.resume():
            raise NotPaused

    return _carry_out(simulation_id, actor, command_key, CommandKind.RESUME, {}, effect)


def end_session(simulation_id: int, actor: User, command_key: str) -> SessionEvent:
    """End the simulation; the feedback follows. Raises SimulationEnded when it had ended before."""

    def effect(simulation: Simulation, _: User) -> None:
        end_simulation(simulation)

    return _carry_out(simulation_id, actor, command_key, CommandKind.END, {}, effect)


def _carry_out(
    simulation_id: int, actor: User, command_key: str, kind: CommandKind, data: dict[str, Any], effect: Effect
) -> SessionEvent:
    """The same key with the same command gives the event of the first time; with another one, CommandKeyReused."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        session = session_of(simulation)
        known = SessionEvent.objects.filter(session=session, command_key=command_key).first()
        if known is not None:
            if (known.kind, known.data) != (kind, data):
                raise CommandKeyReused
            return known
        if simulation.has_ended:
            raise SimulationEnded("This simulation has ended; it cannot be directed any more.")
        event = SessionEvent.objects.create(session=session, kind=kind, command_key=command_key, data=data, actor=actor)
        effect(simulation, actor)
        told = {"id": event.pk, "kind": kind}
        SimulationEvent.objects.record(simulation.pk, EventKind.COMMAND, told, audience=Audience.INSTRUCTORS)
    return event


# --- notes ------------------------------------------------------------------------------------


def add_note(simulation_id: int, author: User, content: str, message_sequence: int | None = None) -> InstructorNote:
    """A note on the session, or on the message with this number, during it or afterwards. Raises NoSuchMessage."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        if message_sequence is not None and not 0 < message_sequence < simulation.next_sequence:
            raise NoSuchMessage
        note = InstructorNote.objects.create(
            session=session_of(simulation), author=author, content=content, message_sequence=message_sequence
        )
        _tell_note(simulation, note)
    return note


def change_note(note: InstructorNote, content: str) -> InstructorNote:
    """Write a note anew."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(note.session.simulation_id)
        note.content = content
        note.save(update_fields=["content", "updated_at"])
        _tell_note(simulation, note)
    return note


def remove_note(note: InstructorNote) -> None:
    with transaction.atomic():
        simulation = Simulation.objects.locked(note.session.simulation_id)
        _tell_note(simulation, note)
        note.delete()


def _tell_note(simulation: Simulation, note: InstructorNote) -> None:
    told = {"id": note.pk, "message_sequence": note.message_sequence}
    SimulationEvent.objects.record(simulation.pk, EventKind.NOTE, told, audience=Audience.INSTRUCTORS)
