"""The events that a run's stream sends next."""

from __future__ import annotations

from uuid import UUID

from apps.consensus.models import Run
from apps.consensus.models.runs import OPEN, RunEvent
from orchestration.api.sse import Poll


def look(run_id: UUID, after: int) -> Poll:
    """While nothing happens only one row is read: the run, which counts its events. It is read before the events, so
    that no event of a finished run is missed."""
    status, last = Run.objects.filter(pk=run_id).values_list("status", "last_event").first() or ("deleted", 0)
    events = RunEvent.objects.filter(run=run_id, sequence__gt=after).order_by("sequence") if last > after else ()
    return Poll(events=list(events), is_over=status not in OPEN, last_words={"status": status})
