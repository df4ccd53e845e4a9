"""Starting, pausing and ending a simulation: REST, pages, console and sweep all come through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.simulation.debriefing import request_feedback
from apps.simulation.errors import NotPaused, NotRunning, SimulationEnded, SimulationPaused, TimeIsUp
from apps.simulation.models import Simulation
from apps.simulation.signals import announced, simulation_created, simulation_ended

if TYPE_CHECKING:
    from apps.accounts.models import User


def start_simulation(user: User, **fields: Any) -> Simulation:
    """A new simulation and, in the same transaction, what the labs add to it: its session and its first call."""
    with transaction.atomic():
        simulation = Simulation.objects.create(user=user, **fields)
        simulation_created.send(sender=Simulation, simulation=simulation, user=user)
    return simulation


def end_simulation(simulation: Simulation) -> bool:
    """End it and ask for the feedback; False, and nothing else happens, when it had ended before.

    Feedback has the ordering key of the replies: it waits for one that is still being made.
    """
    with transaction.atomic():
        locked = Simulation.objects.locked(simulation.pk)
        ended = locked.end()
        if ended:
            request_feedback(locked)
            simulation_ended.send(sender=Simulation, simulation=locked)
    simulation.refresh_from_db()
    return ended


def end_overdue() -> int:
    """End every running simulation whose time is up; returns how many."""
    return sum(map(end_simulation, Simulation.objects.over_time()))


def pause_simulation(simulation_id: int) -> Simulation:
    """Stop the clock and the conversation; NotRunning when it does not run."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        if not simulation.pause():
            raise NotRunning
    return simulation


def resume_simulation(simulation_id: int) -> Simulation:
    """Go on with the time that was left; NotPaused when it is not paused."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        if not simulation.resume():
            raise NotPaused
    return simulation


def announce(simulation: Simulation, content: str, sender: User | None) -> None:
    """Let everybody in a `locked()` simulation see that something happened, the patient included."""
    announced.send(sender=Simulation, simulation=simulation, content=content, sender_user=sender)


def check_open(simulation: Simulation) -> None:
    """Raises SimulationEnded, SimulationPaused or TimeIsUp when nothing can be said in it now."""
    if simulation.has_ended:
        raise SimulationEnded
    if simulation.paused_at is not None:
        raise SimulationPaused
    if simulation.is_over_time:
        raise TimeIsUp
