"""The commands of an instructor in a session. Each command has a key and is carried out once per session.

Everything here takes the simulation's row lock first; the command, its changes and its events are committed
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.simulation.clinical.findings import FindingIndex
from apps.simulation.clinical.vitals import findings_from
from apps.simulation.errors import NotPaused, NotRunning, SimulationEnded
from apps.simulation.models import EventKind, Simulation, SimulationEvent
from apps.simulation.models.cases import MAX_FINDINGS, MAX_MODIFIERS, Finding, findings_of
from apps.simulation.models.event_types import Audience
from apps.simulation.services.lifecycle import announce, end_simulation
from apps.simulation.services.patient_metadata import Fact, store_facts, under_known_names
from apps.trainerlab.errors import BadVitals, CommandKeyReused, NoSuchMessage
from apps.trainerlab.models import CommandKind, InstructorNote, SessionEvent, TrainerSession

if TYPE_CHECKING:
    from apps.accounts.models import User

Effect = Callable[[Simulation, "User"], None]


def session_of(simulation: Simulation) -> TrainerSession:
    """The trainer's session of a simulation, created on first use."""
    return TrainerSession.objects.get_or_create(simulation=simulation)[0]


def inject_event(simulation_id: int, actor: User, command_key: str, text: str) -> SessionEvent:
    """Announce an event that everybody sees and the patient knows about from then on. Raises SimulationEnded."""

    def effect(simulation: Simulation, actor: User) -> None:
        announce(simulation, text, actor)

    return _carry_out(simulation_id, actor, command_key, CommandKind.EVENT, {"text": text}, effect)


def give_direction(simulation_id: int, actor: User, command_key: str, text: str) -> SessionEvent:
    """Tell the patient, and nobody else, how to continue. Raises SimulationEnded."""

    def effect(simulation: Simulation, _: User) -> None:
        simulation.modifiers = [*simulation.modifiers, text][-MAX_MODIFIERS:]
        simulation.save(update_fields=["modifiers"])

    return _carry_out(simulation_id, actor, command_key, CommandKind.DIRECTION, {"text": text}, effect)


def inject_finding(simulation_id: int, actor: User, command_key: str, finding: Finding) -> SessionEvent:
    """Report a finding as if it had been ordered: metadata, and a message to everybody. Raises SimulationEnded."""

    def effect(simulation: Simulation, actor: User) -> None:
        (fixed,) = _fix(simulation, [finding])
        announce(simulation, f"New finding: {fixed.line()}", actor)

    return _carry_out(simulation_id, actor, command_key, CommandKind.FINDING, finding.model_dump(), effect)


def change_vitals(simulation_id: int, actor: User, command_key: str, values: Mapping[str, str]) -> SessionEvent:
    """Change what the monitor shows, by the codes of `apps.simulation.clinical.vitals`; the patient feels accordingly.

    Raises BadVitals with a sentence for an unknown vital sign or a value that cannot be read, and SimulationEnded.
    """
    given = {code: " ".join(value.split()) for code, value in values.items() if value.strip()}
    try:
        findings = findings_from(given)
    except ValueError as error:
        raise BadVitals(str(error)) from error
    if not findings:
        raise BadVitals

    def effect(simulation: Simulation, _: User) -> None:
        _fix(simulation, findings)

    return _carry_out(simulation_id, actor, command_key, CommandKind.VITALS, given, effect)


def _fix(simulation: Simulation, findings: Sequence[Finding]) -> list[Finding]:
    """Report findings, and let orders find them from now on: each takes the place of the same test in this case."""
    stored = findings_of(simulation.findings)
    fixed = []
    for finding in under_known_names(simulation, findings):
        index = FindingIndex(stored)
        fixed.append(index.under_its_names(finding))
        stored = index.with_finding(fixed[-1])
    simulation.findings = [finding.model_dump() for finding in stored][-MAX_FINDINGS:]
    simulation.save(update_fields=["findings"])
    store_facts(simulation, map(Fact.of, fixed))
    return fixed


def pause(simulation_id: int, actor: User, command_key: str) -> SessionEvent:
    """Stop the clock and the conversation. Raises NotRunning, SimulationEnded."""

    def effect(simulation: Simulation, _: User) -> None:
        if not simulation.pause():
            raise NotRunning

    return _carry_out(simulation_id, actor, command_key, CommandKind.PAUSE, {}, effect)


def resume(simulation_id: int, actor: User, command_key: str) -> SessionEvent:
    """Continue with the time that was left. Raises NotPaused, SimulationEnded."""

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
    """The same key with the same command returns the first event; with another command, CommandKeyReused."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        session = session_of(simulation)
        known = SessionEvent.objects.filter(session=session, command_key=command_key).first()
        if known is not None:
            if (known.kind, known.data) != (kind, data):
                raise CommandKeyReused
            return known
        if simulation.has_ended:
            raise SimulationEnded("This simulation has ended and can no longer be directed.")
        event = SessionEvent.objects.create(session=session, kind=kind, command_key=command_key, data=data, actor=actor)
        effect(simulation, actor)
        event_data = {"id": event.pk, "kind": kind}
        SimulationEvent.objects.record(simulation.pk, EventKind.COMMAND, event_data, audience=Audience.INSTRUCTORS)
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
        _record_note_event(simulation, note)
    return note


def change_note(note: InstructorNote, content: str) -> InstructorNote:
    """Change the text of a note."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(note.session.simulation_id)
        note.content = content
        note.save(update_fields=["content", "updated_at"])
        _record_note_event(simulation, note)
    return note


def remove_note(note: InstructorNote) -> None:
    """Delete a note."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(note.session.simulation_id)
        _record_note_event(simulation, note)
        note.delete()


def _record_note_event(simulation: Simulation, note: InstructorNote) -> None:
    data = {"id": note.pk, "message_sequence": note.message_sequence}
    SimulationEvent.objects.record(simulation.pk, EventKind.NOTE, data, audience=Audience.INSTRUCTORS)
