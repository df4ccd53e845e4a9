"""Exports from lists: the format is chosen, the list frozen, the file written in the background and downloaded."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from orchestration.admin.added import ListAction, add_list_action
from orchestration.admin.base import may_read_content
from persistence import exports
from persistence.admin.acting import choose, picked, run_url, told, unless_empty
from persistence.admin.pages import note, require
from persistence.bulk import start
from persistence.errors import BulkRefused
from persistence.export_formats import GIGABYTE, MAX_CELL, Xlsx
from persistence.export_requests import freeze_export
from persistence.export_work import work
from persistence.exporting import Exporter

AT_ONCE = 1_000
"""An export of at most so many rows is written while one waits."""
LABELS = {
    "csv": "CSV",
    "xlsx": "Excel (XLSX)",
    "json": "JSON",
    "jsonl": "JSON Lines",
    "dialogues": "JSONL of messages, for fine-tuning",
}


class ExportForm(forms.Form):
    """Which file; content only for those who may read it."""

    format = forms.ChoiceField(
        help_text=f"Excel takes {Xlsx.max_bytes // GIGABYTE} GB at most, and of each cell {MAX_CELL:,} characters."
        " CSV and the others take all of it.",
        widget=UnfoldAdminSelectWidget,
    )
    content = forms.BooleanField(
        required=False,
        label="With prompts, answers and payloads",
        help_text="Personal data may be among them. The export is noted in the history.",
        widget=UnfoldBooleanWidget,
    )

    def __init__(self, *args: Any, exporter: Exporter, may_read: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = [kind for kind in LABELS if kind != "dialogues" or (exporter.dialogue and may_read)]
        self.fields["format"].choices = [(kind, LABELS[kind]) for kind in kinds]  # type: ignore[attr-defined]
        if not may_read or not exporter.content:
            del self.fields["content"]


def export_action(exporter: Exporter) -> ListAction:
    """The list action that exports a model's rows."""

    def run(modeladmin: ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return export_rows(modeladmin, request, rows, exporter)

    return ListAction(name="export_selected", title="Export", permission=exporter.permission, run=run)


def export_rows(
    modeladmin: ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any], exporter: Exporter
) -> HttpResponse | None:
    """Ask which file, freeze the list, and write it: a short one now, a long one in the background."""
    require(request, exporter.permission)
    rows, count = picked(modeladmin, request, rows)
    form = ExportForm(
        request.POST if "confirmed" in request.POST else None, exporter=exporter, may_read=may_read_content(request)
    )
    if not form.is_valid():
        return choose(request, "Export", form, count, "export_selected")
    kind = form.cleaned_data["format"]
    options = {
        "exporter": exporter.name,
        "format": kind,
        "content": kind == "dialogues" or bool(form.cleaned_data.get("content")),
    }
    try:
        run = freeze_export(rows, options, told=told(request, count), requested_by=request.user)
    except BulkRefused as refused:
        form.add_error("format", str(refused))
        return choose(request, "Export", form, count, "export_selected")
    if unless_empty(request, run) is None:
        return None
    start(run)
    kept = "with content" if options["content"] else "without content"
    note(request, run, f"Export of {run.total} {exporter.name} as {kind}, {kept}.")
    if run.total <= AT_ONCE:
        work(run.pk)
    return HttpResponseRedirect(run_url(run.pk))


for _exporter in (exports.CALLS, exports.REQUESTS, exports.RESPONSES):
    add_list_action(_exporter.model, export_action(_exporter))
