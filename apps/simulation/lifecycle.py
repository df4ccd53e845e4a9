"""Starting and ending a simulation; the REST API, the console and commands all come through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.simulation.models import Simulation
from apps.simulation.signals import simulation_created, simulation_ended

if TYPE_CHECKING:
    from apps.accounts.models import User


def start_simulation(user: User, **fields: Any) -> Simulation:
    """A new simulation and, in the same transaction, what the labs add to it: its session and its first call."""
    with transaction.atomic():
        simulation = Simulation.objects.create(user=user, **fields)
        simulation_created.send(sender=Simulation, simulation=simulation, user=user)
    return simulation


def end_simulation(simulation: Simulation) -> bool:
    """End it; False, and nothing else happens, when it had ended before."""
    with transaction.atomic():
        ended = simulation.end()
        if ended:
            simulation_ended.send(sender=Simulation, simulation=simulation)
    return ended
