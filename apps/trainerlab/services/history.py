"""The instructor's part of a simulation's history: commands that are not messages of the chat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apps.simulation.history import HistoryEntry, register_history_provider
from apps.trainerlab.models import CommandKind, SessionEvent

if TYPE_CHECKING:
    from apps.simulation.models import Simulation

SENTENCES = {
    CommandKind.PAUSE: "The session was paused.",
    CommandKind.RESUME: "The session was resumed.",
    CommandKind.END: "The instructor ended the session.",
}


def session_history(simulation: Simulation) -> Iterator[HistoryEntry]:
    """Pauses and the end; injected events and findings are messages of the chat already."""
    rows = SessionEvent.objects.filter(session__simulation=simulation, kind__in=SENTENCES).select_related("actor")
    for event in rows.order_by("id"):
        yield {
            "source": "trainerlab",
            "timestamp": event.created_at,
            "role": "system",
            "sender": str(event.actor or "instructor"),
            "content": SENTENCES[CommandKind(event.kind)],
            "name": event.actor.get_full_name() if event.actor else "",
        }


register_history_provider("trainerlab", session_history)
