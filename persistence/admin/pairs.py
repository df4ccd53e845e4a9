"""The pairs of a run of reruns: each call beside the one that was made of it, and what changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize

from orchestration.access_log import log_content_access
from orchestration.admin.base import may_read_content
from orchestration.admin.call_actions import call_url
from orchestration.models import ServiceCallRecord
from orchestration.theme.words import NOTHING, money, seconds, short_id
from orchestration.values.truncated_json import cut
from persistence.admin.base import VIEW_CALLS, page, render, require
from persistence.admin.bulk_actions import run_url
from persistence.admin.dry_run import dry_run_url
from persistence.admin.rerun import compare_url
from persistence.admin.run_pages import shown_run
from persistence.models import BulkItem
from persistence.reprocessing.rerun import TooLong, answer_of, json_diff

PAIRS_PER_PAGE = 25
SHOWN_DIFFERENCES = 5
LONGEST = 300
"""Characters of a value in the list; the page of a pair shows it whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An old call and the new one; the new one may be gone."""

    old: ServiceCallRecord
    new: ServiceCallRecord | None
    figures: list[tuple[str, str, str]]
    changes: list[tuple[str, str, str]] | None
    """(path, old, new) of the answers; None for who may not read them, and while there are not two."""
    more: int
    """Differences that are not listed."""
    verdict: str
    old_url: str
    new_url: str
    compare_url: str
    persist_url: str


@page("<int:run_id>/pairs/", "run_pairs")
def pairs(request: HttpRequest, run_id: int) -> HttpResponse:
    """The pairs of a run, some at a time. Values are shown to those who may read content."""
    run = shown_run(request, run_id)
    require(request, VIEW_CALLS)
    items = run.items.exclude(made_call_id="").order_by("pk")
    found = Paginator(items, PAIRS_PER_PAGE).get_page(request.GET.get("p"))
    listed = _pairs(found, content=may_read_content(request))
    if may_read_content(request):
        for pair in listed:
            log_content_access(request.user, pair.old, f", in the pairs of bulk run {run.pk}")
    return render(
        request,
        "pairs.html",
        f"Pairs of run #{run.pk}",
        run=run,
        run_url=run_url(run.pk),
        pairs=listed,
        numbers=found,
        waits=any(pair.new is not None and not pair.new.is_terminal for pair in listed),
        content=may_read_content(request),
        may_persist=request.user.has_perm("orchestration.preview_servicecallrecord"),
    )


def _pairs(items: Page[BulkItem], *, content: bool) -> list[Pair]:
    listed = list(items)
    keys = [key for item in listed for key in (item.call_id, item.made_call_id)]
    rows = ServiceCallRecord.objects.defer("input", "context", "result", "service_kwargs", "error")
    calls: Mapping[str, ServiceCallRecord] = (cut(rows, ["result"]) if content else rows).in_bulk(keys)
    return [
        _pair(calls[item.call_id], calls.get(item.made_call_id), content=content)
        for item in listed
        if item.call_id in calls
    ]


def _pair(old: ServiceCallRecord, new: ServiceCallRecord | None, *, content: bool) -> Pair:
    answers = content and new is not None and new.is_terminal
    differences = json_diff(answer_of(old), answer_of(new)) if answers and new is not None else []
    return Pair(
        old=old,
        new=new,
        figures=_figures(old, new),
        changes=[(path, _short(one), _short(two)) for path, one, two in differences[:SHOWN_DIFFERENCES]]
        if answers
        else None,
        more=max(0, len(differences) - SHOWN_DIFFERENCES),
        verdict=_verdict(new, differences, content=content),
        old_url=call_url(old.pk),
        new_url=call_url(new.pk) if new is not None else "",
        compare_url=compare_url(old.pk, new.pk) if new is not None else "",
        persist_url=dry_run_url(new.pk) if new is not None and new.result_stays else "",
    )


def _verdict(new: ServiceCallRecord | None, differences: Sequence[Any], *, content: bool) -> str:
    if new is None:
        return "gone"
    if not new.is_terminal:
        return new.status
    if new.status != "succeeded":
        return new.error_code or new.status
    if not content:
        return "answered"
    return f"{len(differences)} difference{pluralize(len(differences))}" if differences else "the same"


def _figures(old: ServiceCallRecord, new: ServiceCallRecord | None) -> list[tuple[str, str, str]]:
    nothing = [NOTHING] * len(FIGURES)
    values = nothing if new is None else [read(new) for _, read in FIGURES]
    return [(name, read(old), value) for (name, read), value in zip(FIGURES, values, strict=True)]


def _duration(call: ServiceCallRecord) -> str:
    if call.started_at is None or call.finished_at is None:
        return NOTHING
    return seconds(call.finished_at - call.started_at)


FIGURES: tuple[tuple[str, Callable[[ServiceCallRecord], str]], ...] = (
    ("Call", lambda call: short_id(call.pk)),
    ("Status", lambda call: str(call.status)),
    ("Model", lambda call: call.model or call.model_requested or NOTHING),
    ("Tokens", lambda call: f"{call.total_tokens:,}"),
    ("Cost", lambda call: money(call.cost)),
    ("Duration", _duration),
)


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, str | TooLong) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
