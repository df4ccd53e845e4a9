"""The pages of one bulk run beside its own: its progress, its steering, its sample, doing it again, its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.views.decorators.http import require_POST

from orchestration.access_log import log_content_access
from orchestration.admin.base import may_read_content
from orchestration.admin.call_actions import call_url
from orchestration.models import ServiceCallRecord
from orchestration.operations import operation_of
from orchestration.theme.words import exact
from orchestration.types import JsonObject
from persistence.admin.base import VIEW_CALLS, note, page, render, require
from persistence.admin.bulk_actions import run_url, unless_empty
from persistence.admin.bulk_runs import how_far, kinds, shows_sample
from persistence.admin.dry_run import row_changes
from persistence.admin.operation_forms import PaceForm, StartForm
from persistence.bulk.figures import undone
from persistence.bulk.pace import change_pace, pace_in_words
from persistence.bulk.rehearsal import try_out
from persistence.bulk.rights import VIEW_RUNS, Authority, permissions_of
from persistence.bulk.runs import FIELDS, MOMENTS, abort, freeze_rows, pause, schedule, select, start, unschedule
from persistence.bulk.selection import matching_again
from persistence.errors import BulkRefused
from persistence.models import BulkRun, BulkState
from persistence.models.bulk import EXPORT
from persistence.operations import DRY_RUN

SHOWN_SAMPLE = 5
"""Calls whose rows are shown."""
SAMPLE_SECONDS = 5.0
SHOWN_ROWS = 20
"""Of each of them."""


def shown_run(request: HttpRequest, run_id: int) -> BulkRun:
    """A run that this person may look at; 404 otherwise."""
    rows = BulkRun.objects.select_related("requested_by")
    run = (
        (rows if request.user.has_perm(VIEW_RUNS) else rows.filter(requested_by=request.user.pk))
        .filter(pk=run_id)
        .first()
    )
    if run is None:
        raise Http404
    return run


@page("<int:run_id>/progress/", "run_progress")
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The figures, which refresh themselves; a whole new page when the state is not the one that is shown, so that its
    buttons stay where they are while somebody reaches for them."""
    section = how_far(request, shown_run(request, run_id))
    if request.GET.get("shown", section["stage"]) != section["stage"]:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "progress.html", "Progress", section=section)


# --- steering -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verb:
    """What one can do with a run: what is asked for it, and a function that does it and says what it did."""

    form: type[forms.Form]
    act: Callable[[BulkRun, Any, Authority], str]


def _start(run: BulkRun, form: StartForm, by: Authority) -> str:
    """Now, or at the moment that was chosen; a run that was paused resumes as it was."""
    reason = form.cleaned_data["reason"]
    if run.state != BulkState.DRAFT:
        start(run, authority=by)
        return "Resumed."
    at = form.cleaned_data["starts_at"]
    if at is None:
        start(run, reason=reason, per_minute=form.per_minute, authority=by)
    else:
        schedule(run, at, reason=reason, per_minute=form.per_minute, authority=by)
    when = f"Scheduled for {exact(at)}" if at else "Start"
    return f"{', '.join(filter(None, (when, pace_in_words(run))))}. {reason}"


def _pause(run: BulkRun, form: forms.Form, by: Authority) -> str:
    pause(run)
    return "Pause."


def _abort(run: BulkRun, form: forms.Form, by: Authority) -> str:
    abort(run)
    return "Abort."


def _unschedule(run: BulkRun, form: forms.Form, by: Authority) -> str:
    unschedule(run)
    return "No longer scheduled."


def _change_pace(run: BulkRun, form: PaceForm, by: Authority) -> str:
    change_pace(run, form.per_minute)
    return f"Pace: {pace_in_words(run) or 'as fast as it can'}."


VERBS = {
    "start": Verb(StartForm, _start),
    "pause": Verb(forms.Form, _pause),
    "abort": Verb(forms.Form, _abort),
    "unschedule": Verb(forms.Form, _unschedule),
    "pace": Verb(PaceForm, _change_pace),
}


@page("<int:run_id>/steer/<slug:verb>/", "run_steer")
@require_POST
def steer(request: HttpRequest, run_id: int, verb: str) -> HttpResponse:
    """Start or schedule, pause, change the pace, or abort; needs what doing the same by hand would need."""
    run = shown_run(request, run_id)
    if verb not in VERBS:
        raise Http404
    require(request, *permissions_of(run))
    form = VERBS[verb].form(request.POST)
    if not form.is_valid():
        messages.error(request, f"{' '.join(_faults(form))} Nothing was changed.")
        return HttpResponseRedirect(run_url(run.pk))
    try:
        note(request, run, VERBS[verb].act(run, form, Authority(person=request.user)))
    except BulkRefused as refused:
        messages.warning(request, str(refused))
    return HttpResponseRedirect(run_url(run.pk))


def _faults(form: forms.Form) -> Iterator[str]:
    for name, errors in form.errors.items():
        yield f"{form[name].label}: {' '.join(map(str, errors))}"


# --- doing it again -------------------------------------------------------------------------


@page("<int:run_id>/again/", "run_again")
@require_POST
def again(request: HttpRequest, run_id: int) -> HttpResponse:
    """A new draft with the same options over those items that were left alone, failed, or were not reached."""
    run = _ended_run(request, run_id)
    require(request, VIEW_CALLS)
    rows = ServiceCallRecord.objects.filter(pk__in=undone(run).values("call_id"))
    return _made_again(request, run, rows, {"not done in": f"run #{run.pk}"})


@page("<int:run_id>/repeat/", "run_repeat")
@require_POST
def repeat(request: HttpRequest, run_id: int) -> HttpResponse:
    """A new draft with the same operation and options over what its filter matches now; over the same calls, where
    these were ticked one by one."""
    run = _ended_run(request, run_id)
    require(request, VIEW_CALLS)
    try:
        rows, asked = matching_now(request, run)
    except BulkRefused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(run_url(run.pk))
    return _made_again(request, run, rows, asked)


def matching_now(request: HttpRequest, run: BulkRun) -> tuple[QuerySet[ServiceCallRecord], JsonObject]:
    """The calls that a run's filter matches now, as this person may search for them, and what was asked for in words.

    BulkRefused when the filter can no longer be applied.
    """
    if run.list_query:
        return _on_the_list(request, run.list_query), run.filter
    asked = matching_again(request.user, run.filter)
    if asked is not None:
        return asked, run.filter
    if run.filter and set(run.filter) <= {*FIELDS, *MOMENTS, "handler", "older_code"}:
        return select(run.filter), run.filter
    keys = run.items.values("call_id")
    return ServiceCallRecord.objects.filter(pk__in=keys), {"the same calls as": f"run #{run.pk}"}


def _on_the_list(request: HttpRequest, query: str) -> QuerySet[ServiceCallRecord]:
    asked = copy(request)
    asked.GET = QueryDict(query)
    calls = admin.site.get_model_admin(ServiceCallRecord)
    try:
        rows: QuerySet[ServiceCallRecord] = calls.get_changelist_instance(asked).get_queryset(asked)
    except (IncorrectLookupParameters, DisallowedModelAdminLookup):
        raise BulkRefused("The list of calls no longer has this filter.") from None
    return rows


def _ended_run(request: HttpRequest, run_id: int) -> BulkRun:
    """A run that can be done again by this person; 404 or 403 otherwise."""
    run = shown_run(request, run_id)
    if run.kind == EXPORT or run.kind not in dict(kinds()) or not run.has_ended:
        raise Http404
    require(request, *permissions_of(run))
    return run


def _made_again(
    request: HttpRequest, run: BulkRun, rows: QuerySet[ServiceCallRecord], asked: JsonObject
) -> HttpResponse:
    """To the page of the draft, or back to the run when nothing can be made of these rows."""
    kept = run.list_query if asked == run.filter else ""
    rows = rows.order_by("created_at", "pk")
    try:
        made = freeze_rows(run.kind, rows, options=run.options, asked=asked, requested_by=request.user, list_query=kept)
    except BulkRefused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(run_url(run.pk))
    return HttpResponseRedirect(run_url(made.pk if unless_empty(request, made) else run.pk))


# --- the rows of a sample -------------------------------------------------------------------


@page("<int:run_id>/sample/", "run_sample")
def sample(request: HttpRequest, run_id: int) -> HttpResponse:
    """What the run would do to the rows of a few of its calls, old beside new, in transactions that are rolled back.

    Values are shown to those who may read content.
    """
    run = shown_run(request, run_id)
    require(request, VIEW_CALLS, DRY_RUN.permission)
    if not shows_sample(run):
        raise Http404
    content = may_read_content(request)
    tried = list(try_out(run, operation_of(run.kind), count=SHOWN_SAMPLE, seconds=SAMPLE_SECONDS))
    calls = ServiceCallRecord.objects.only("pk").in_bulk([item.call_id for item, _ in tried])
    for call in calls.values() if content else ():
        log_content_access(request.user, call, f", in the sample of bulk run {run.pk}")
    shown = [_sampled(item.call_id, result, content=content) for item, result in tried]
    return render(
        request, "sample.html", f"Rows of a sample of run #{run.pk}", run=run, run_url=run_url(run.pk), sample=shown
    )


def _sampled(call_id: str, result: Any, *, content: bool) -> dict[str, Any]:
    report = None if result is None else result.details
    changes = [] if report is None else report.changes
    return {
        "call": call_id,
        "url": call_url(call_id),
        "outcome": "not tried" if result is None else result.outcome if report is None else report.outcome.would,
        "error": result.error if result is not None and content else "",
        "changes": list(row_changes(changes[:SHOWN_ROWS], content=content)),
        "more": max(0, len(changes) - SHOWN_ROWS),
        "content": content,
    }


# --- the file of an export ------------------------------------------------------------------


@page("<int:run_id>/download/", "run_download")
def download(request: HttpRequest, run_id: int) -> FileResponse:
    """The file of an export, for who asked for it and for nobody else, as long as they could ask for it again; 404 when
    it was removed."""
    run = BulkRun.objects.filter(pk=run_id, requested_by=request.user.pk).exclude(file="").first()
    if run is None or not default_storage.exists(run.file):
        raise Http404
    require(request, *permissions_of(run))
    note(request, run, "Downloaded.")
    return FileResponse(default_storage.open(run.file), as_attachment=True, filename=run.file.rpartition("/")[2])
