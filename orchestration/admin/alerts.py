"""What is broken, for a page of the admin to refresh."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from orchestration.monitoring.alert_display import VIEW_CALLS, shown
from orchestration.monitoring.alerts import latest_alerts


@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    """The alerts alone."""
    if not request.user.has_perm(VIEW_CALLS):
        raise PermissionDenied
    return TemplateResponse(request, "admin/orchestration/parts/alerts.html", shown(request, latest_alerts()))
