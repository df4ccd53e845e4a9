"""Alerts as pages of the admin show them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from orchestration.monitoring.alerts import Alert
from orchestration.theme.reach import way_to
from orchestration.values.generic_refs import admin_path

VIEW_CALLS = "orchestration.view_servicecallrecord"
"""Whoever has it sees alerts."""
ALERTS = "orchestration_alerts"
"""The name of the address that gives them alone."""


def shown(request: HttpRequest, found: list[Alert]) -> dict[str, Any]:
    """The context of admin/orchestration/parts/alerts.html, with the way of this person to each remedy."""
    return {"shown": [(alert, way_to(request, _url(alert))) for alert in found], "more": max(0, len(found) - 1)}


def _url(alert: Alert) -> str:
    if alert.call_id:
        return admin_path(alert.page, alert.call_id)
    query = f"?{urlencode(alert.query)}" if alert.query else ""
    return reverse(f"admin:{alert.page}") + query
