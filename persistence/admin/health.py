"""What persistence could not do, by cause, with a retry of a whole cause; and how old stored results are."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestration.admin.acting import call_url
from orchestration.app import ensure_autostarted
from orchestration.registry import schemas
from persistence.admin.acting import freeze_and_show
from persistence.admin.pages import VIEW_CALLS, page, render, require
from persistence.admin.previews import PERSIST, PREVIEW, dry_run_url
from persistence.dead_letters import DeadGroup, dead_groups, dead_of
from persistence.models import BulkKind
from persistence.replay import Policy
from persistence.upgrades import handler_versions, schema_coverage

EXAMPLES = 5
SHOWN_GROUPS = 100
NEWEST_CHUNKS = 50_000
NEWEST_RESULTS = 500


@page("dead-letters/", "dead_letters")
def dead_letters(request: HttpRequest) -> HttpResponse:
    """Dead results by cause. POST freezes a group, to be retried or to be looked at in a dry run."""
    require(request, VIEW_CALLS)
    ensure_autostarted()
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
        may_persist=request.user.has_perm(PERSIST),
        may_preview=request.user.has_perm(PREVIEW),
    )


def dead_letters_url() -> str:
    return reverse("admin:persistence_dead_letters")


def _act(request: HttpRequest, groups: list[DeadGroup]) -> HttpResponse | None:
    kind = BulkKind.PREVIEW if request.POST.get("do") == "preview" else BulkKind.PERSIST
    require(request, PREVIEW if kind == BulkKind.PREVIEW else PERSIST)
    group = next((group for group in groups if group.fingerprint == request.POST.get("fingerprint")), None)
    if group is None:
        messages.warning(request, "This group is empty by now.")
        return None
    asked = {"dead": f"{group.exception} in {group.handler} ({group.fingerprint})"}
    rows = dead_of(group).order_by("created_at", "pk")
    return freeze_and_show(request, kind, rows, {"policy": Policy.KEEP.value}, asked)


def _examples(group: DeadGroup) -> list[tuple[str, str, str]]:
    """(id, its page, its dry run) of calls of a group, the latest first."""
    return [(key, call_url(key), dry_run_url(key)) for key in sorted(group.examples, reverse=True)[:EXAMPLES]]


@page("upgrades/", "upgrades")
def upgrade_report(request: HttpRequest) -> HttpResponse:
    """Which code persisted what of late; and, for a schema that is asked for, whether its newest results still fit."""
    require(request, VIEW_CALLS)
    ensure_autostarted()
    wanted = request.GET.get("schema", "")
    schema: Any = schemas.try_get(wanted) if wanted in {str(identity) for identity in schemas.all()} else None
    coverage = schema_coverage(schema, newest=NEWEST_RESULTS) if schema else None
    return render(
        request,
        "upgrades.html",
        "Schemas and handlers",
        handlers=handler_versions(newest=NEWEST_CHUNKS),
        newest_chunks=NEWEST_CHUNKS,
        newest_results=NEWEST_RESULTS,
        schemas=[str(identity) for identity in schemas.all()],
        wanted=wanted,
        coverage=coverage,
        reasons=coverage.reasons.most_common() if coverage else [],
    )
