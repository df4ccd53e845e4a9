"""Authors try a scenario while they write it: a session that no list shows, without a limit and without feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from apps.simulation.models import Simulation, SimulationStatus
from apps.simulation.services.lifecycle import start_simulation
from apps.trainerlab.services.scenarios import give_pictures

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.trainerlab.models import ScenarioTemplate


def start_preview(template: ScenarioTemplate, user: User) -> Simulation:
    """A preview of the scenario as it is stored; earlier previews of this user end."""
    with transaction.atomic():
        earlier = Simulation.objects.select_for_update(no_key=True).filter(user=user, is_preview=True)
        for simulation in earlier.exclude(status=SimulationStatus.ENDED):
            simulation.end()
        case = {**template.case(), "time_limit": None}
        preview = start_simulation(user, **case, is_preview=True)
        give_pictures(template, preview)
    return preview
