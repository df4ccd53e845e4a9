"""The page of failed calls by cause, with what helps, and what can be done to a whole group."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestration.admin.base import may_read_content
from orchestration.admin.call_actions import call_url
from orchestration.admin.failure_display import ways
from orchestration.causes.comparison import answered_lately, answered_sizes, shapes_of_results
from orchestration.causes.groups import NEWEST, FailedGroup, failed_groups
from orchestration.models import ServiceCallRecord
from orchestration.operations import RETRY
from persistence.admin.base import VIEW_CALLS, page, render, require
from persistence.admin.bulk_actions import freeze_and_show
from persistence.operations import RERUN

SHOWN_GROUPS = 50
COMPARED = 5
"""Of the groups, the first, which are compared with what went well."""
ACTS = {"retry": RETRY, "rerun": RERUN}


@page("failed-calls/", "failed_calls")
def failed_calls(request: HttpRequest) -> HttpResponse:
    """Calls that failed within a week, or fail and wait, by cause. POST freezes a group for an operation."""
    require(request, VIEW_CALLS)
    groups, is_cut = failed_groups()
    if request.method == "POST":
        return _act(request, groups) or HttpResponseRedirect(failed_calls_url())
    return render(
        request,
        "failed_calls.html",
        "Failed calls by cause",
        groups=[_shown(request, group, compared=at < COMPARED) for at, group in enumerate(groups[:SHOWN_GROUPS])],
        group_count=len(groups),
        failed=sum(group.failed for group in groups),
        waiting=sum(group.waiting for group in groups),
        is_cut=is_cut,
        newest=NEWEST,
        may=[name for name, operation in ACTS.items() if request.user.has_perm(operation.permission)],
        content=may_read_content(request),
    )


def failed_calls_url() -> str:
    return reverse("admin:persistence_failed_calls")


def _shown(request: HttpRequest, group: FailedGroup, *, compared: bool) -> dict[str, object]:
    wanted = {"cause": group.fingerprint}
    return {
        "group": group,
        "service": group.service_identity.partition(".")[2],
        "facts": [*group.cause.facts(), *(_differences(group) if compared else ())],
        "places": ways(request, group.cause),
        "examples": [(key, call_url(key)) for key in group.examples],
        "list": f"{reverse('admin:orchestration_servicecallrecord_changelist')}?{urlencode(wanted)}",
    }


def _differences(group: FailedGroup) -> list[tuple[str, str]]:
    """What the requests, or the answers, of the service are like that went well lately."""
    if group.cause.known.differs == "size":
        sizes = answered_sizes(group.service_identity)
        return [("Requests answered recently", f"{sizes[0]:,} to {sizes[-1]:,} characters")] if sizes else []
    if group.cause.fields:
        shapes = shapes_of_results(answered_lately(group.service_identity), group.cause.fields)
        return [(f"{path} in accepted answers", shape) for path, shape in shapes.items()]
    return []


def _act(request: HttpRequest, groups: list[FailedGroup]) -> HttpResponse | None:
    operation = ACTS.get(request.POST.get("do", ""), RETRY)
    require(request, operation.permission)
    group = next((group for group in groups if group.fingerprint == request.POST.get("fingerprint")), None)
    if group is None or not group.call_ids:
        messages.warning(request, "This group is empty by now.")
        return None
    asked = {"failed": f"{group.cause.code} of {group.service_identity} ({group.fingerprint})"}
    rows = ServiceCallRecord.objects.filter(pk__in=group.call_ids).order_by("created_at", "pk")
    return freeze_and_show(request, operation.key, rows, {}, asked, urlencode({"cause": group.fingerprint}))
