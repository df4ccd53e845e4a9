"""Erasing what is stored about a person or an object: what would go, what is held, and the reports of what went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestration.admin.base import DetailAdmin, link_to
from orchestration.admin.calls import call_link
from orchestration.admin.sections import Fact, Section
from orchestration.theme.parts import TextInputWidget, display
from orchestration.theme.reach import way_to
from orchestration.theme.words import NOTHING, moment
from orchestration.values.generic_refs import admin_path
from persistence.admin.base import ReasonForm, note, page, render, require
from persistence.errors import ErasureRefused
from persistence.maintenance.erasure import begin, erase_subject, subject_of
from persistence.maintenance.kept import what_stays
from persistence.models.erasures import Erasure

ERASE = "persistence.erase_subject"
COUNT_SECONDS = 10.0
"""How long a page counts; then it says "at least"."""
SHOWN_HELD = 50


class SubjectForm(forms.Form):
    subject = forms.CharField(
        max_length=200,
        label="Whose content",
        help_text="The kind of object and its key: accounts.user:7.",
        widget=TextInputWidget,
    )


class ErasureReasonForm(ReasonForm):
    """Its reason is for the report and the history of whom it is about, not for that of each call."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "Kept in the report of the erasure, and in the history of whom it is about."


@page("erase/", "erase")
def erase_page(request: HttpRequest) -> HttpResponse:
    """Ask whose content, count it, and erase it after a confirmation with a reason."""
    require(request, ERASE)
    form = SubjectForm(request.POST or request.GET or None)
    reports = way_to(request, reverse("admin:persistence_erasure_changelist"))
    context: dict[str, Any] = {"form": form, "reports": reports.url, "stays": what_stays()}
    if form.is_valid():
        try:
            subject = subject_of(form.cleaned_data["subject"])
        except ErasureRefused as refused:
            form.add_error("subject", str(refused))
        else:
            confirmation = ErasureReasonForm(request.POST or None)
            if request.method == "POST" and confirmation.is_valid():
                return _begun(request, subject, confirmation.cleaned_data["reason"])
            report = erase_subject(subject, seconds=COUNT_SECONDS)
            context |= {
                "subject": form.cleaned_data["subject"],
                "named": f"{subject._meta.verbose_name} {subject.pk}",
                "report": report,
                "rows": sorted((name, f"{count:,}") for name, count in report.rows.items() if count),
                "held": [call_link(request, key) for key in report.held_calls[:SHOWN_HELD]],
                "more": max(0, len(report.held_calls) - SHOWN_HELD),
                "reason_form": confirmation,
            }
    return render(request, "erase.html", "Erase a person", **context)


def _begun(request: HttpRequest, subject: Any, reason: str) -> HttpResponse:
    with transaction.atomic():
        erasure = begin(subject, by=request.user, reason=reason)
        note(request, subject, f"Erased what is stored about it (erasure {erasure.pk}). {reason}")
    return HttpResponseRedirect(admin_path("persistence_erasure_change", erasure.pk))


@admin.register(Erasure)
class ErasureAdmin(DetailAdmin):
    """The reports of erasures; they stay when the content is gone."""

    list_display = ("number", "about", "state", "purged", "held_count", "by", "created")
    list_display_links = ("number",)
    list_select_related = ("requested_by", "subject_type")
    detail_related = ("requested_by", "subject_type")
    ordering = ("-id",)
    sortable_by = ()

    @display(description="Erasure")
    def number(self, erasure: Erasure) -> str:
        return f"#{erasure.pk}"

    @display(description="About")
    def about(self, erasure: Erasure) -> str:
        return erasure.label

    @display(description="State", label={"done": "success", "under way": "info", "done, see what is held": "warning"})
    def state(self, erasure: Erasure) -> str:
        if erasure.finished_at is None:
            return "under way"
        return "done, see what is held" if erasure.held_count else "done"

    @display(description="Rows purged")
    def purged(self, erasure: Erasure) -> str:
        return f"{sum(erasure.rows.values()):,}"

    @display(description="Asked by")
    def by(self, erasure: Erasure) -> str:
        return str(erasure.requested_by or "command line")

    @display(description="Created")
    def created(self, erasure: Erasure) -> str:
        return moment(erasure.created_at)

    def facts(self, request: HttpRequest, erasure: Erasure) -> Iterable[Fact]:
        yield Fact("State", self.state(erasure))
        yield Fact("About", link_to(request, erasure.subject) if erasure.subject else erasure.label)
        yield Fact("Asked by", self.by(erasure))
        yield Fact("Reason", erasure.reason or NOTHING)
        yield Fact("Created", moment(erasure.created_at))
        yield Fact("Ended", moment(erasure.finished_at))
        yield from (Fact(name.capitalize(), f"{count:,}") for name, count in sorted(erasure.rows.items()))

    def sections(self, request: HttpRequest, erasure: Erasure) -> Iterator[Section]:
        yield Section(
            title="What is held, and what a revert can no longer do",
            template="admin/persistence/erased.html",
            context={
                "erasure": erasure,
                "held": [call_link(request, key) for key in erasure.held[:SHOWN_HELD]],
                "more": max(0, len(erasure.held) - SHOWN_HELD),
                "again": f"{reverse('admin:persistence_erase')}?subject={_written(erasure)}",
            },
        )


def _written(erasure: Erasure) -> str:
    kind = erasure.subject_type
    return f"{kind.app_label}.{kind.model}:{erasure.subject_id}" if kind else ""
