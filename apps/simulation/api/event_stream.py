"""What the event stream of a simulation sends next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.simulation.models import FeedbackStatus, Simulation, SimulationEvent, SimulationStatus
from orchestration.api.sse import Poll

if TYPE_CHECKING:
    from apps.accounts.models import User

MAX_AT_ONCE = 500


def next_events(simulation_id: int, user: User, after: int) -> Poll:
    """While nothing happens, one row is read, which counts the events. It is read before them, so that no event of an
    ended simulation is missed."""
    rows = Simulation.objects.filter(pk=simulation_id)
    state = rows.values_list("status", "feedback_status", "next_event").first()
    events: list[SimulationEvent] = []
    if state is not None and state[2] - 1 > after:
        events = list(SimulationEvent.objects.after(simulation_id, after).for_reader(user)[:MAX_AT_ONCE])
    settled = state is None or (state[0] == SimulationStatus.ENDED and state[1] != FeedbackStatus.PENDING)
    return Poll(events=events, is_over=settled and len(events) < MAX_AT_ONCE)
