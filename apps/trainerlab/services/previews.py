"""Authors try a scenario while they write it: a session that no list shows, without a limit and without feedback."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from apps.simulation.models import Simulation, SimulationStatus
from apps.simulation.services.lifecycle import start_simulation
from apps.trainerlab.services.scenarios import give_pictures
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.states import UNFINISHED_IN_ORDER

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.trainerlab.models import ScenarioTemplate

KEPT_FOR = timedelta(days=1)


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


def forget_previews(now: datetime | None = None) -> int:
    """End the previews that are older than KEPT_FOR, and delete them with what was said and shown; returns how many.

    One whose calls are still under way is only ended, and goes when they have ended: an answer finds its simulation.
    """
    before = (now or database_now()) - KEPT_FOR
    stale = Simulation.objects.filter(is_preview=True, created_at__lt=before).values_list("pk", flat=True)
    return sum(map(_forget, list(stale)))


def _forget(pk: int) -> bool:
    with transaction.atomic():
        preview = Simulation.objects.select_for_update(no_key=True).filter(pk=pk).first()
        if preview is None:
            return False
        preview.end()
        if ServiceCallRecord.objects.filter(UNFINISHED_IN_ORDER, ordering_key=preview.ordering_key).exists():
            return False
        preview.delete()
    return True
