"""What happened in the period of the overview, as marks on its charts and as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.models.engine_events import EngineEvent, EventKind
from orchestration.stats.aggregation import floor
from orchestration.stats.figures import History

MOST = 100
TITLES = {
    EventKind.DEPLOYMENT.value: "Deployed",
    EventKind.PAUSE.value: "Paused",
    EventKind.RESUME.value: "Resumed",
    EventKind.START.value: "Node started",
    EventKind.RESTART.value: "Cluster restarted",
    EventKind.KILLED.value: "Worker killed",
    EventKind.CIRCUIT_OPENED.value: "Circuit opened",
    EventKind.CIRCUIT_CLOSED.value: "Circuit closed",
    EventKind.PROMPT.value: "Prompt text changed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One event at its point of the charts."""

    event: EngineEvent
    index: int
    title: str


def marks(found: History) -> list[Mark]:
    """The newest MOST events of a period, the newest first. One query."""
    places = {at: index for index, at in enumerate(found.points)}
    events = EngineEvent.objects.filter(at__gte=found.since).defer("detail").order_by("-at", "-id")[:MOST]
    shown = [(event, places.get(floor(event.at, found.period.span))) for event in events]
    return [
        Mark(event=event, index=index, title=TITLES.get(event.kind, event.kind))
        for event, index in shown
        if index is not None
    ]


def as_json(shown: Sequence[Mark]) -> str:
    """`[[index of the point, kind, text]]` for the script that draws them."""
    return json.dumps([[mark.index, mark.event.kind, f"{mark.title}: {mark.event.about}"] for mark in shown])
