"""The page of what holds calls back: pauses, open circuits, limits, order, rows that were set aside."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from orchestration.admin.call_detail import remedy_url
from orchestration.engine.queue.holding import Hold, holds
from orchestration.engine.queue.unreadable_rows import UNREADABLE
from orchestration.models import ServiceCallRecord
from orchestration.stats.figures import counted
from orchestration.theme.words import moment
from persistence.admin.base import VIEW_CALLS, page, render, require

TITLES = {
    "paused": "Paused",
    "circuit_open": "Circuit open",
    "rate_limited": "Limit used up",
    "order": "Waits for an earlier call",
    "set_aside": "Set aside",
    "not_due": "Not due yet",
}


@page("held/", "held")
def held(request: HttpRequest) -> HttpResponse:
    """What holds calls back now, how many, and what lets them run."""
    require(request, VIEW_CALLS)
    rows = [
        {
            "title": TITLES[hold.code],
            "hold": hold,
            "calls": _calls_url(hold),
            "remedy": remedy_url(hold.code, hold.call_id),
            "since": hold.since and moment(hold.since),
            "until": hold.until and moment(hold.until),
        }
        for hold in holds()
    ]
    return render(request, "held_back.html", "Held back", rows=rows, queued=counted(ServiceCallRecord.objects.queued()))


def _calls_url(hold: Hold) -> str:
    """The list of what is held, as far as its filters can tell these calls from others."""
    wanted = {"status__exact": "queued"}
    if hold.code == "set_aside":
        wanted = {"error_code": UNREADABLE}
    elif hold.service:
        wanted["service"] = hold.service
    elif hold.code != "not_due":
        return ""
    return f"{reverse('admin:orchestration_servicecallrecord_changelist')}?{urlencode(wanted)}"
