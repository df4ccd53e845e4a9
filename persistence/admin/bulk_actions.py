"""Starting bulk runs from a list: ask for the options, freeze the list, and go to the page of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestration.admin.base import may_read_content
from orchestration.admin.call_actions import action_name
from orchestration.admin.extensions import matches_all, set_bulk_runner
from orchestration.models import ServiceCallRecord
from orchestration.operations import Operation
from orchestration.types import JsonObject
from orchestration.values.generic_refs import admin_path
from persistence.admin.base import render, require
from persistence.bulk.runs import freeze_rows
from persistence.bulk.selection import form_of, stored_options
from persistence.errors import BulkRefused
from persistence.models import BulkRun


def run_url(run_id: int) -> str:
    """A bulk run's page."""
    return admin_path("persistence_bulkrun_change", run_id)


def pairs_url(run_id: int) -> str:
    """Where the calls of a run are beside those that were made of them."""
    return reverse("admin:persistence_run_pairs", args=(run_id,))


def has_pairs(run: BulkRun) -> bool:
    """Whether a run makes calls to be compared with its own."""
    return run.operation is not None and run.operation.pairs


def asked_for(request: HttpRequest, count: int | None) -> JsonObject:
    """What was asked for, in words: the list's search and filters, or how many rows were ticked."""
    if count is not None:
        return {"selected": count}
    return {"all that match": {key: ", ".join(request.GET.getlist(key)) for key in request.GET if key != "p"}}


def list_query(request: HttpRequest) -> str:
    """The search and the filters of a list as its address has them; never empty, for without any it means all calls."""
    query = request.GET.copy()
    query.pop("p", None)
    return query.urlencode() or "q="


def picked(modeladmin: Any, request: HttpRequest, rows: QuerySet[Any]) -> tuple[QuerySet[Any], int | None]:
    """The rows of an action, and how many were ticked (None: all that match). Ticked rows count however they moved."""
    if matches_all(request):
        return rows, None
    keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return modeladmin.get_queryset(request).filter(pk__in=keys), len(keys)


def oldest_first(calls: QuerySet[Any]) -> QuerySet[Any]:
    return calls.order_by("created_at", "pk")


def start_run(
    modeladmin: Any,
    request: HttpRequest,
    operation: Operation,
    rows: QuerySet[Any],
    calls_of: Callable[[QuerySet[Any]], QuerySet[Any]] = oldest_first,
) -> HttpResponse | None:
    """The page that asks for the options, then a draft of the run, whose own page asks for confirmation. `calls_of`:
    the calls that the rows of the list stand for, in the run's order."""
    require(request, operation.permission)
    rows, count = picked(modeladmin, request, rows)
    form_class = form_of(operation)
    asked = bool(form_class.base_fields)
    form = form_class(request.POST if "confirmed" in request.POST else None if asked else {})
    if not form.is_valid():
        return choose(request, operation.title, form, count, action_name(operation))
    options = stored_options(form)
    query = list_query(request) if count is None and rows.model is ServiceCallRecord else ""
    return freeze_and_show(request, operation.key, calls_of(rows), options, asked_for(request, count), query)


set_bulk_runner(start_run)


def choose(request: HttpRequest, title: str, form: forms.Form, count: int | None, action: str) -> HttpResponse:
    """Ask how an action shall be done; what was selected travels along."""
    keys = [] if count is None else request.POST.getlist(ACTION_CHECKBOX_NAME)
    hidden = [("action", request.POST.get("action", action)), *((ACTION_CHECKBOX_NAME, key) for key in keys)]
    if count is None:
        hidden += [("select_across", "1"), (ACTION_CHECKBOX_NAME, "all")]
    return render(
        request,
        "choose.html",
        title,
        form=form,
        hidden=hidden,
        count=count,
        filters=list(asked_for(request, count).get("all that match", {}).items()),
        back=request.get_full_path(),
        content=may_read_content(request),
    )


def freeze_and_show(
    request: HttpRequest, kind: str, rows: QuerySet[Any], options: JsonObject, asked: JsonObject, list_query: str = ""
) -> HttpResponse | None:
    """Freeze the list and go to its page; stay with a word of why not when there is nothing, or too much.

    `list_query`: what the list of calls is asked for, to find the same again.
    """
    try:
        run = freeze_rows(kind, rows, options=options, asked=asked, requested_by=request.user, list_query=list_query)
    except BulkRefused as refused:
        messages.error(request, str(refused))
        return None
    return HttpResponseRedirect(run_url(run.pk)) if unless_empty(request, run) else None


def unless_empty(request: HttpRequest, run: BulkRun) -> BulkRun | None:
    """The run; None, and a word, when its list is empty: then it is deleted."""
    if run.total:
        return run
    run.delete()
    messages.warning(request, "Nothing matches now; nothing was done.")
    return None
