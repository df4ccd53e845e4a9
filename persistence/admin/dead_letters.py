"""The page of dead letters: results that persistence failed with, by cause, and what can be done to a whole group."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestration.admin.base import may_read_content
from orchestration.admin.call_actions import call_url
from orchestration.models import ServiceCallRecord
from persistence.admin.base import VIEW_CALLS, page, render, require
from persistence.admin.bulk_actions import freeze_and_show
from persistence.admin.causes import Explained, explained
from persistence.admin.dry_run import dry_run_url
from persistence.admin.navigation import served
from persistence.causes.cause import Kind
from persistence.maintenance.dead_letters import FailureGroup, calls_in, examples_of, failure_groups
from persistence.operations import DRY_RUN, REPROCESS
from persistence.reprocessing.reprocess import Policy

EXAMPLES = 5
SHOWN_GROUPS = 100
COMPARED = 5
"""Of the groups, the first, whose values are compared with those that were persisted."""


@page("dead-letters/", "dead_letters")
def dead_letters(request: HttpRequest) -> HttpResponse:
    """Results that are dead, or fail and wait, by cause. POST freezes a group, to be reprocessed or tried out."""
    require(request, VIEW_CALLS)
    groups = failure_groups()
    if request.method == "POST":
        return _act(request, groups) or HttpResponseRedirect(dead_letters_url())
    return render(
        request,
        "dead_letters.html",
        "Dead letters",
        groups=_shown(request, groups[:SHOWN_GROUPS]),
        group_count=len(groups),
        dead=sum(group.dead for group in groups),
        failing=sum(group.failing for group in groups),
        served=served(request, "Dead letters"),
        calls_url=reverse("admin:orchestration_servicecallrecord_changelist"),
        content=may_read_content(request),
        may_persist=request.user.has_perm(REPROCESS.permission),
        may_preview=request.user.has_perm(DRY_RUN.permission),
    )


def dead_letters_url() -> str:
    return reverse("admin:persistence_dead_letters")


def _act(request: HttpRequest, groups: list[FailureGroup]) -> HttpResponse | None:
    operation = DRY_RUN if request.POST.get("do") == "preview" else REPROCESS
    require(request, operation.permission)
    group = next((group for group in groups if group.fingerprint == request.POST.get("fingerprint")), None)
    if group is None:
        messages.warning(request, "This group is empty by now.")
        return None
    asked = {"dead": f"{group.exception} in {group.handler} ({group.fingerprint})"}
    rows = calls_in(group).order_by("created_at", "pk")
    query = urlencode({"dead": group.fingerprint})
    return freeze_and_show(request, operation.key, rows, {"policy": Policy.KEEP.value}, asked, query)


def _shown(
    request: HttpRequest, groups: Sequence[FailureGroup]
) -> list[tuple[FailureGroup, Explained | None, list[tuple[str, str, str]]]]:
    """Each group with its cause, where one was noted, and (id, page, dry run) of its newest calls."""
    examples = examples_of(groups, EXAMPLES)
    first = [keys[0] for keys in examples.values() if keys]
    services = dict(ServiceCallRecord.objects.filter(pk__in=first).values_list("pk", "service_identity"))
    shown = []
    for number, group in enumerate(groups):
        keys = examples.get(group.fingerprint, [])
        # Of other kinds, answers are compared on the page of a call alone: it would cost three queries for each group.
        of_answer = bool(keys) and group.cause.kind is Kind.VALIDATION
        service = services.get(keys[0], "") if of_answer else ""
        why = explained(request, group.cause, service, compared=number < COMPARED) if group.is_noted else None
        shown.append((group, why, [(key, call_url(key), dry_run_url(key)) for key in keys]))
    return shown
