"""The page of what holds calls back: pauses, open circuits, limits, order, rows that were set aside."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from orchestration.admin.call_detail import way_of_remedy
from orchestration.engine.queue.holding import LISTED, Hold, holds
from orchestration.models import ServiceCallRecord
from orchestration.stats.figures import counted
from orchestration.theme.words import moment
from persistence.admin.base import VIEW_CALLS, page, render, require

TITLES = {
    "paused": "Paused",
    "circuit_open": "Circuit open",
    "rate_limited": "Limit used up",
    "no_worker": "Nobody to run them",
    "waits_for_approval": "Waits for a tool's approval",
    "newer_version": "Waits for a newer version",
    "order": "Waits for an earlier call",
    "set_aside": "Set aside",
    "not_due": "Not due yet",
}


@page("held/", "held")
def held(request: HttpRequest) -> HttpResponse:
    """What holds calls back now, how many, and what lets them run."""
    require(request, VIEW_CALLS)
    found, is_cut = holds()
    rows = [
        {
            "title": TITLES[hold.code],
            "hold": hold,
            "calls": _calls_url(hold),
            "way": way_of_remedy(request, hold.code, hold.call_id),
            "since": hold.since and moment(hold.since),
            "until": hold.until and moment(hold.until),
        }
        for hold in found
    ]
    queued = counted(ServiceCallRecord.objects.queued())
    return render(request, "held_back.html", "Held back", rows=rows, queued=queued, most_keys=LISTED if is_cut else 0)


def _calls_url(hold: Hold) -> str:
    """The list of what is held: these calls and no others."""
    if not hold.calls.count:
        return ""
    return f"{reverse('admin:orchestration_servicecallrecord_changelist')}?{urlencode({'held': hold.name})}"
