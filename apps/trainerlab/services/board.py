"""The board: every running session, one row per simulation, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Max, Q
from django.db.models.functions import Coalesce

from apps.simulation.models import EventKind, Simulation, SimulationEvent, SimulationStatus
from orchestration.clock import database_now

if TYPE_CHECKING:
    from apps.accounts.models import User

RECENT = timedelta(hours=12)
"""Sessions that ended within this time are still on the board."""
MAX_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One session. `events` and `messages` are counts so far; `last_activity` is the time of the newest event."""

    simulation: Simulation
    title: str
    """Of the scenario; the patient's name without one."""
    events: int
    messages: int
    last_activity: datetime

    @property
    def time_left(self) -> timedelta | None:
        """None without a limit and after the end; never negative."""
        simulation = self.simulation
        if simulation.ends_at is None or simulation.has_ended:
            return None
        now = simulation.paused_at or database_now()
        return max(simulation.ends_at - now, timedelta(0))


def board(user: User, *, statuses: Sequence[SimulationStatus] = (), limit: int = MAX_ROWS) -> list[BoardRow]:
    """What `user` may see: running and paused sessions first, then the rest, newest first. Three queries."""
    rows = Simulation.objects.visible_to(user).played()
    if statuses:
        rows = rows.filter(status__in=statuses)
    else:
        rows = rows.filter(Q(ended_at__isnull=True) | Q(ended_at__gte=database_now() - RECENT))
    titled = rows.annotate(title=Coalesce("trainer_session__template__title", "sim_patient_full_name"))
    simulations = list(titled.select_related("user").order_by("-pk")[:limit])
    counts = _counts(simulations)
    found = [_row(simulation, counts.get(simulation.pk)) for simulation in simulations]
    return sorted(found, key=lambda row: row.simulation.has_ended)


def _counts(simulations: Sequence[Simulation]) -> dict[int, tuple[int, int, datetime]]:
    rows = SimulationEvent.objects.filter(simulation__in=[simulation.pk for simulation in simulations])
    counted = rows.values_list("simulation").annotate(
        total=Count("pk"), messages=Count("pk", filter=Q(kind=EventKind.MESSAGE)), newest=Max("created_at")
    )
    return {pk: (events, messages, newest) for pk, events, messages, newest in counted.order_by("simulation")}


def _row(simulation: Any, counts: tuple[int, int, datetime] | None) -> BoardRow:
    events, messages, newest = counts or (0, 0, simulation.created_at)
    return BoardRow(
        simulation=simulation,
        title=simulation.title,
        events=events,
        messages=messages,
        last_activity=newest,
    )
