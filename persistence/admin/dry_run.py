"""The dry run of one call: the rows that reprocessing or a revert would touch, field by field; and applying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestration.admin.base import may_read_content
from orchestration.admin.call_actions import call_url
from orchestration.clock import earlier_than_new_times
from orchestration.models import ServiceCallRecord
from orchestration.theme.parts import BooleanWidget, SelectWidget
from persistence.admin.base import ReasonForm, note, page, render, require, shown_call
from persistence.admin.operation_forms import POLICIES
from persistence.operations import DRY_RUN, REPROCESS, REVERT
from persistence.reprocessing.dry_run_check import Essence, apply_if_as_shown, essence
from persistence.reprocessing.reprocess import Policy, Report, ReprocessOutcome, dry_run, reprocess, revert
from persistence.reprocessing.revert import shortened
from persistence.tracking.row_changes import RowChange

TO_REVERT = "revert"
"""What to do, where it is not a policy."""
SALT = "persistence.preview"
SHOWN_CHANGES = 200
SHOWN_REASONS = 50
COLOURS = {"created": "success", "updated": "info", "deleted": "danger"}
NOTHING_CAME = frozenset({ReprocessOutcome.REFUSED, ReprocessOutcome.FAILED})


class HowForm(forms.Form):
    """What would be done; the page shows it again when this changes."""

    how = forms.ChoiceField(
        choices=[*POLICIES, (TO_REVERT, "revert: remove or restore what it persisted")],
        required=False,
        label="What to do with what was persisted before",
        widget=SelectWidget,
    )
    force = forms.BooleanField(required=False, label="Include rows that were changed since", widget=BooleanWidget)

    @property
    def how_chosen(self) -> str:
        return str(self.cleaned_data.get("how") or Policy.KEEP.value) if self.is_valid() else Policy.KEEP.value

    @property
    def forced(self) -> bool:
        return bool(self.is_valid() and self.cleaned_data.get("force"))


def _runs(call_id: str, how: str, *, force: bool) -> tuple[Callable[[], Report], Callable[[], Report]]:
    """The dry run, and the thing itself."""
    if how == TO_REVERT:
        return partial(revert, call_id, force=force, dry=True), partial(revert, call_id, force=force)
    policy = Policy(how)
    return partial(dry_run, call_id, policy, force=force), partial(reprocess, call_id, policy, force=force)


@page("calls/<str:call_id>/dry-run/", "dry_run")
def preview_page(request: HttpRequest, call_id: str) -> HttpResponse:
    """GET shows what would change. POST does exactly that, or says what changed in between and does nothing."""
    call = shown_call(request, call_id)
    require(request, DRY_RUN.permission)
    form = HowForm(request.POST if request.method == "POST" else request.GET)
    how, force = form.how_chosen, form.forced
    run_dry, apply = _runs(call.pk, how, force=force)
    if request.method == "POST":
        require(request, _needed(how))
        answer = _applied(request, call, how, apply)
        if isinstance(answer, HttpResponse):
            return answer
        return _shown(request, call, form, run_dry, moved=answer)
    return _shown(request, call, form, run_dry, moved=[])


def _needed(how: str) -> str:
    return (REVERT if how == TO_REVERT else REPROCESS).permission


def _applied(
    request: HttpRequest, call: ServiceCallRecord, how: str, apply: Callable[[], Report]
) -> HttpResponse | list[str]:
    """Back to the call when it was done; what changed in between when it was not."""
    reason, seal = ReasonForm(request.POST), _unsealed(request, call, how)
    if seal is None or not reason.is_valid():
        return ["what you were shown has expired: look at it again"] if seal is None else ["the reason is too long"]
    report, moved = apply_if_as_shown(apply, seal)
    if moved:
        return moved
    if report.outcome in NOTHING_CAME:
        messages.error(request, f"{report.outcome.value.title()}: {report.error}")
        return HttpResponseRedirect(call_url(call.pk))
    counts = ", ".join(f"{count} {action}" for action, count in report.counts.items()) or "no rows changed"
    note(request, call, f"{_title(how)}: {report.outcome.value}, {counts}. {reason.cleaned_data['reason']}")
    messages.success(request, f"{report.outcome.value.title()}: {counts}.")
    if report.contradicted:
        messages.warning(request, " ".join(["Forced against this:", *shortened(report.contradicted)]))
    return HttpResponseRedirect(call_url(call.pk))


def _shown(
    request: HttpRequest, call: ServiceCallRecord, form: HowForm, run_dry: Callable[[], Report], *, moved: list[str]
) -> HttpResponse:
    started = earlier_than_new_times()
    report = run_dry()
    content = may_read_content(request)
    how = form.how_chosen
    note(request, call, f"Dry run of {_title(how).lower()}{': looked at the content' if content else ''}.")
    return render(
        request,
        "dry_run.html",
        f"Dry run: {_title(how)}",
        call=call,
        call_url=call_url(call.pk),
        form=HowForm(initial={"how": how, "force": form.forced}),
        how=how,
        force=form.forced,
        report=report,
        parts=[(part, list(row_changes(part.changes[:SHOWN_CHANGES], content=content))) for part in report.parts],
        other=list(row_changes(report.other[:SHOWN_CHANGES], content=content)),
        content=content,
        cut=len(report.changes) > SHOWN_CHANGES,
        limit=SHOWN_CHANGES,
        counts=sorted(report.counts.items()),
        moved=moved,
        shown_reasons=f":{SHOWN_REASONS}",
        more_reasons=max(0, len(report.contradicted) - SHOWN_REASONS),
        force_label=HowForm.base_fields["force"].label,
        seal=signing.dumps([call.pk, how, essence(report, started)], salt=SALT, compress=True),
        reason=ReasonForm(),
        may=report.outcome not in NOTHING_CAME and request.user.has_perm(_needed(how)),
        verb=_title(how),
    )


def _unsealed(request: HttpRequest, call: ServiceCallRecord, how: str) -> Essence | None:
    """What this person was shown about this call; None when that cannot be known."""
    try:
        call_id, shown_how, shown = signing.loads(request.POST.get("seal", ""), salt=SALT)
    except signing.BadSignature:
        return None
    return shown if (call_id, shown_how) == (call.pk, how) else None


def _title(how: str) -> str:
    return "Revert" if how == TO_REVERT else f"Reprocess ({how})"


def row_changes(changes: list[RowChange], *, content: bool) -> Iterator[dict[str, Any]]:
    """Rows as changes.html shows them; their fields, old beside new, to those who may read content."""
    for change in changes:
        yield {
            "label": change.label,
            "model": change.model._meta.label,
            "action": change.action.value,
            "colour": COLOURS[change.action.value],
            "fields": [(name, *map(_text, pair)) for name, pair in change.fields.items()] if content else [],
        }


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def dry_run_url(call_id: str) -> str:
    return reverse("admin:persistence_dry_run", args=(call_id,))
