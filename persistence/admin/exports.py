"""Exports from lists: the format is chosen, the list frozen, the file written in the background and downloaded."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from orchestration.admin.base import may_read_content
from orchestration.admin.extensions import ListAction, add_list_action
from orchestration.theme.parts import BooleanWidget, SelectWidget
from orchestration.values.spreadsheets import MAX_CELL
from persistence.admin.base import note, require
from persistence.admin.bulk_actions import asked_for, choose, picked, run_url, unless_empty
from persistence.bulk.runs import start
from persistence.errors import BulkRefused
from persistence.exports import resources
from persistence.exports.formats import GIGABYTE, Xlsx
from persistence.exports.registry import Exporter
from persistence.exports.requests import freeze_export
from persistence.exports.worker import work

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
        help_text=f"An Excel file holds at most {Xlsx.max_bytes // GIGABYTE} GB, and {MAX_CELL:,} characters in a cell."
        " The other formats have no such limits.",
        widget=SelectWidget,
    )
    content = forms.BooleanField(
        required=False,
        label="With prompts, answers and payloads",
        help_text="They may contain personal data. The export is recorded in the history.",
        widget=BooleanWidget,
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
        run = freeze_export(rows, options, asked=asked_for(request, count), requested_by=request.user)
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


for _exporter in (resources.CALLS, resources.REQUESTS, resources.RESPONSES):
    add_list_action(_exporter.model, export_action(_exporter))
