"""Starts and ends simulations, for REST, pages, console and sweep alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.simulation.errors import SimulationEnded, SimulationPaused, TimeIsUp
from apps.simulation.models import Simulation
from apps.simulation.services.feedback import request_feedback
from apps.simulation.services.patient_metadata import authors_facts, store_facts
from apps.simulation.signals import announced, simulation_created, simulation_ended

if TYPE_CHECKING:
    from apps.accounts.models import User


def start_simulation(user: User, **fields: Any) -> Simulation:
    """A new simulation and, in the same transaction, what is known from the start, and what the labs add to it: the
    chat and the first call."""
    with transaction.atomic():
        simulation = Simulation.objects.create(user=user, **fields)
        store_facts(simulation, authors_facts(simulation))
        simulation_created.send(sender=Simulation, simulation=simulation, user=user)
    return simulation


def end_simulation(simulation: Simulation) -> bool:
    """End it and ask for the feedback; False, and nothing else happens, when it had ended before.

    Feedback has the ordering key of the replies, so it waits for a pending one.
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


def announce(simulation: Simulation, content: str, sender: User | None) -> None:
    """Announce an event to everybody in a `locked()` simulation, the patient included."""
    announced.send(sender=Simulation, simulation=simulation, content=content, sender_user=sender)


def check_open(simulation: Simulation) -> None:
    """Raises SimulationEnded, SimulationPaused or TimeIsUp when nothing can be posted to it now."""
    if simulation.has_ended:
        raise SimulationEnded
    if simulation.paused_at is not None:
        raise SimulationPaused
    if simulation.is_over_time:
        raise TimeIsUp
