"""The parts of the page from which a session is watched and directed. The forms are not parts: they stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apps.simulation.models import Simulation, SimulationMetadata, SimulationStatus
from apps.simulation.models.cases import findings_of
from apps.simulation.services.known_facts import known_about
from apps.trainerlab.models import InstructorNote, SessionEvent
from apps.training.live.conversation import facts_part, speaks_in, waiting
from apps.training.live.fragments import Part
from orchestration.clock import database_now


def watch_parts(simulation: Simulation) -> list[Part]:
    return [
        head_part(simulation),
        monitor_part(simulation),
        typing_part(simulation),
        prepared_part(simulation),
        facts_part(simulation),
        notes_part(simulation),
        commands_part(simulation),
    ]


def head_part(simulation: Simulation) -> Part:
    """Who plays, the state, the time that is left, and pausing, resuming and ending."""
    running = simulation.status == SimulationStatus.RUNNING
    left = None
    if simulation.ends_at is not None and not simulation.has_ended:
        left = max(simulation.ends_at - (simulation.paused_at or database_now()), timedelta(0))
    context: dict[str, Any] = {
        "simulation": simulation,
        "left": left,
        "ends_at": simulation.ends_at if running else None,
        "now": database_now(),
    }
    shown = [simulation.status, simulation.ends_at, simulation.failure_code]
    return Part(id="watch-head", template="training/parts/watch_head.html", shown=shown, context=context)


def monitor_part(simulation: Simulation) -> Part:
    """The vital signs, as the trainee sees them."""
    signs = known_about(simulation).vitals
    context = {"signs": signs, "simulation": simulation}
    shown = [simulation.has_ended, [[sign.code, sign.value, sign.flag] for sign in signs]]
    return Part(id="monitor", template="training/parts/monitor.html", shown=shown, context=context)


def typing_part(simulation: Simulation) -> Part:
    """The dots of a patient who is about to say something, and that the session has ended."""
    typing = not simulation.has_ended and waiting(simulation)
    heard = speaks_in(simulation) if typing else ""
    context = {"simulation": simulation, "typing": typing, "heard": heard}
    return Part(
        id="watch-typing",
        template="training/parts/watch_typing.html",
        shown=[typing, simulation.has_ended, heard],
        context=context,
    )


def prepared_part(simulation: Simulation) -> Part:
    """The findings of the case that nobody knows yet, each with a button that reports it."""
    known = set(SimulationMetadata.objects.filter(simulation=simulation).values_list("key", flat=True))
    prepared = [] if simulation.has_ended else [row for row in findings_of(simulation.findings) if row.key not in known]
    context = {"simulation": simulation, "prepared": prepared}
    shown = [simulation.has_ended, [[row.key, row.value] for row in prepared]]
    return Part(id="prepared", template="training/parts/prepared.html", shown=shown, context=context)


def notes_part(simulation: Simulation) -> Part:
    rows = InstructorNote.objects.filter(session__simulation=simulation).select_related("author").order_by("pk")
    context = {"notes": rows, "simulation": simulation}
    shown = [[row.pk, row.content] for row in rows]
    return Part(id="notes", template="training/parts/notes.html", shown=shown, context=context)


def commands_part(simulation: Simulation) -> Part:
    rows = SessionEvent.objects.filter(session__simulation=simulation).select_related("actor").order_by("pk")
    return Part(
        id="commands",
        template="training/parts/commands.html",
        shown=[row.pk for row in rows],
        context={"commands": rows},
    )
