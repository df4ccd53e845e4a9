"""The page of dead letters: dead results by cause, with a retry of a whole group."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestration.admin.base import may_read_content
from orchestration.admin.call_actions import call_url
from persistence.admin.base import VIEW_CALLS, page, render, require
from persistence.admin.bulk_actions import freeze_and_show
from persistence.admin.dry_run import dry_run_url
from persistence.maintenance.dead_letters import DeadGroup, dead_groups, dead_of
from persistence.operations import DRY_RUN, REPROCESS
from persistence.reprocessing.reprocess import Policy

EXAMPLES = 5
SHOWN_GROUPS = 100


@page("dead-letters/", "dead_letters")
def dead_letters(request: HttpRequest) -> HttpResponse:
    """Dead results by cause. POST freezes a group, to be retried or to be looked at in a dry run."""
    require(request, VIEW_CALLS)
    groups = dead_groups()
    if request.method == "POST":
        return _act(request, groups) or HttpResponseRedirect(dead_letters_url())
    return render(
        request,
        "dead_letters.html",
        "Dead letters",
        groups=[(group, _examples(group)) for group in groups[:SHOWN_GROUPS]],
        group_count=len(groups),
        total=sum(group.count for group in groups),
        content=may_read_content(request),
        may_persist=request.user.has_perm(REPROCESS.permission),
        may_preview=request.user.has_perm(DRY_RUN.permission),
    )


def dead_letters_url() -> str:
    return reverse("admin:persistence_dead_letters")


def _act(request: HttpRequest, groups: list[DeadGroup]) -> HttpResponse | None:
    operation = DRY_RUN if request.POST.get("do") == "preview" else REPROCESS
    require(request, operation.permission)
    group = next((group for group in groups if group.fingerprint == request.POST.get("fingerprint")), None)
    if group is None:
        messages.warning(request, "This group is empty by now.")
        return None
    asked = {"dead": f"{group.exception} in {group.handler} ({group.fingerprint})"}
    rows = dead_of(group).order_by("created_at", "pk")
    return freeze_and_show(request, operation.key, rows, {"policy": Policy.KEEP.value}, asked)


def _examples(group: DeadGroup) -> list[tuple[str, str, str]]:
    """(id, its page, its dry run) of calls of a group, the latest first."""
    return [(key, call_url(key), dry_run_url(key)) for key in sorted(group.examples, reverse=True)[:EXAMPLES]]
