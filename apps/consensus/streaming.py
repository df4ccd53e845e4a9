"""What a run's stream of events sends next."""

from __future__ import annotations

from uuid import UUID

from apps.consensus.models import Run, RunEvent
from apps.consensus.models.runs import OPEN
from orchestration.api_streams import Look


def look(run_id: UUID, after: int) -> Look:
    """One row is read while nothing happens: it counts the events. It is read before them, so that no event of an
    ended run is missed."""
    status, last = Run.objects.filter(pk=run_id).values_list("status", "last_event").first() or ("deleted", 0)
    events = RunEvent.objects.filter(run=run_id, sequence__gt=after).order_by("sequence") if last > after else ()
    return Look(events=list(events), is_over=status not in OPEN, last_words={"status": status})
