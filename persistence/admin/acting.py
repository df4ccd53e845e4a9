"""Operations on the selected calls and on all that match: choose how, freeze the list, go to the run's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from orchestration.admin.added import ListAction, add_bulk_door, add_list_action, matches_all
from orchestration.admin.base import may_read_content
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject
from persistence.admin.pages import render, require
from persistence.bulk import freeze_rows
from persistence.errors import BulkRefused
from persistence.models import BulkKind, BulkRun
from persistence.operations import operation
from persistence.replay import Policy

POLICIES = (
    (Policy.KEEP.value, "keep: leave what was persisted before alone"),
    (Policy.UPDATE.value, "update: let the handler bring what it made up to date"),
    (Policy.RECREATE.value, "recreate: remove what the call made, and persist it anew"),
)


class PersistForm(forms.Form):
    policy = forms.ChoiceField(
        choices=POLICIES,
        label="What was persisted before",
        help_text="Results that were not persisted yet are persisted in any case.",
        widget=UnfoldAdminSelectWidget,
    )
    force = forms.BooleanField(
        required=False,
        label="Also what was changed since",
        help_text="Remove or restore rows even if somebody changed them after the call.",
        widget=UnfoldBooleanWidget,
    )


class RevertForm(forms.Form):
    force = PersistForm.base_fields["force"]


class ReplayForm(forms.Form):
    model = forms.CharField(
        required=False,
        max_length=128,
        help_text="Empty: as it was asked for.",
        widget=UnfoldAdminTextInputWidget,
    )
    temperature = forms.FloatField(
        required=False,
        min_value=0,
        max_value=2,
        help_text="0 to 2. Empty: as it was.",
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )


FORMS: dict[BulkKind, type[forms.Form]] = {
    BulkKind.PERSIST: PersistForm,
    BulkKind.PREVIEW: PersistForm,
    BulkKind.REVERT: RevertForm,
    BulkKind.REPLAY: ReplayForm,
    BulkKind.RETRY: forms.Form,
    BulkKind.CANCEL: forms.Form,
}


def run_url(run_id: int) -> str:
    """A bulk run's page."""
    return reverse("admin:persistence_bulkrun_change", args=(run_id,))


def told(request: HttpRequest, count: int | None) -> JsonObject:
    """What was asked for, in words: the list's search and filters, or how many rows were ticked."""
    if count is not None:
        return {"selected": count}
    return {"all that match": {key: ", ".join(request.GET.getlist(key)) for key in request.GET if key != "p"}}


def picked(modeladmin: Any, request: HttpRequest, rows: QuerySet[Any]) -> tuple[QuerySet[Any], int | None]:
    """The rows of an action, and how many were ticked (None: all that match). Ticked rows count however they moved."""
    if matches_all(request):
        return rows, None
    keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return modeladmin.get_queryset(request).filter(pk__in=keys), len(keys)


def act(kind: BulkKind) -> Callable[[ModelAdmin[Any], HttpRequest, QuerySet[Any]], HttpResponse | None]:
    """The list action of an operation."""

    def run(modeladmin: ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return _start(request, kind, *picked(modeladmin, request, rows))

    return run


@add_bulk_door
def over_all(request: HttpRequest, name: str, rows: QuerySet[Any]) -> HttpResponse:
    """Retry and cancel over all that match."""
    return _start(request, BulkKind(name), rows, None) or HttpResponseRedirect(request.get_full_path())


def _start(request: HttpRequest, kind: BulkKind, rows: QuerySet[Any], count: int | None) -> HttpResponse | None:
    """The page that asks how, then a draft of the run, whose own page asks whether."""
    entry = operation(kind)
    require(request, entry.permission)
    asked = bool(FORMS[kind].base_fields)
    form = FORMS[kind](request.POST if "confirmed" in request.POST else {} if not asked else None)
    if not form.is_valid():
        return choose(request, entry.title, form, count, kind.value)
    options = {key: value for key, value in form.cleaned_data.items() if value not in (None, "", False)}
    return freeze_and_show(request, kind, rows.order_by("created_at", "pk"), options, told(request, count))


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
        filters=list(told(request, count).get("all that match", {}).items()),
        back=request.get_full_path(),
        content=may_read_content(request),
    )


def freeze_and_show(
    request: HttpRequest, kind: BulkKind, rows: QuerySet[Any], options: JsonObject, asked: JsonObject
) -> HttpResponse | None:
    """Freeze the list and go to its page; stay with a word of why not when there is nothing, or too much."""
    try:
        run = freeze_rows(kind, rows, options=options, told=asked, requested_by=request.user)
    except BulkRefused as refused:
        messages.error(request, str(refused))
        return None
    return HttpResponseRedirect(run_url(run.pk)) if unless_empty(request, run) else None


def unless_empty(request: HttpRequest, run: BulkRun) -> BulkRun | None:
    """The run; None, and a word, when its list is empty: then it is deleted."""
    if run.total:
        return run
    run.delete()
    messages.warning(request, "Nothing matches any more; nothing was done.")
    return None


for _kind in (BulkKind.REPLAY, BulkKind.PERSIST, BulkKind.PREVIEW, BulkKind.REVERT):
    add_list_action(
        ServiceCallRecord,
        ListAction(
            name=f"{_kind.value}_selected",
            title=operation(_kind).title,
            permission=operation(_kind).permission,
            run=act(_kind),
        ),
    )
