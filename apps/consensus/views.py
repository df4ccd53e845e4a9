"""The pages: history, a form, a run with its live timeline, its revision, and the difference between two runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.page_access import PageRequest, signed_in
from apps.consensus.errors import ConsensusRefused
from apps.consensus.forms import IdeaForm, RevisionForm
from apps.consensus.listing import page_of
from apps.consensus.models import Run
from apps.consensus.reading import comparison, detail
from apps.consensus.schemas import RunFilter
from apps.consensus.settling import cancel_run, retry_run
from apps.consensus.starting import start_revision, start_run
from orchestration.api_errors import ApiError


@signed_in
@require_GET
def history(request: PageRequest) -> HttpResponse:
    cursor = request.GET.get("cursor", "")[:200] or None
    try:
        page, following = page_of(Run.objects.visible_to(request.user), RunFilter(cursor=cursor))
    except ApiError as error:
        raise Http404 from error
    return render(request, "consensus/history.html", {"runs": page, "next": following, "turned": cursor is not None})


@signed_in
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    form = IdeaForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            run, _ = start_run(
                request.user,
                idea=form.checked.idea,
                extra_context=form.checked.extra_context,
                priority=form.checked.priority,
            )
        except ConsensusRefused as error:
            form.add_error(None, str(error))
        else:
            return redirect("consensus:run", run_id=run.pk)
    return render(request, "consensus/new.html", {"form": form}, status=422 if form.errors else 200)


@signed_in
@require_GET
def run(request: PageRequest, run_id: UUID) -> HttpResponse:
    found = visible(request, run_id)
    may_change = Run.objects.changeable_by(request.user).filter(pk=found.pk).exists()
    shown = detail(found)
    names = {persona.persona_id: persona.name for persona in found.prompt_set.personas.all()}
    steps = [{**step, "label": label_of(step["step"], names)} for step in shown["steps"]]
    context = {
        "run": found,
        "shown": shown,
        "steps": steps,
        "may_change": may_change,
        "events_url": reverse("v1:stream_run_events", kwargs={"run_id": found.pk}),
        "revisions": found.revisions.all(),
    }
    return render(request, "consensus/run.html", context)


@signed_in
@require_http_methods(["GET", "POST"])
def revise(request: PageRequest, run_id: UUID) -> HttpResponse:
    parent = changeable(request, run_id)
    if not parent.can_be_revised:
        messages.error(request, "Only a completed run can be revised.")
        return redirect("consensus:run", run_id=parent.pk)
    form = RevisionForm(request.POST or None, proposal=parent.proposal.expanded_proposal_json)
    if request.method == "POST" and form.is_valid():
        try:
            revision, _ = start_revision(request.user, parent, form.checked.edits())
        except ConsensusRefused as error:
            form.add_error(None, str(error))
        else:
            return redirect("consensus:run", run_id=revision.pk)
    return render(request, "consensus/revise.html", {"form": form, "run": parent}, status=422 if form.errors else 200)


@signed_in
@require_GET
def diff(request: PageRequest, run_id: UUID, other_id: UUID) -> HttpResponse:
    before, after = visible(request, run_id), visible(request, other_id)
    found = comparison(before, after)
    fields = {name.replace("_", " ").capitalize(): field for name, field in found["proposal"]["fields"].items()}
    context = {"before": before, "after": after, "diff": found, "fields": fields}
    return render(request, "consensus/diff.html", context)


@signed_in
@require_POST
def retry(request: PageRequest, run_id: UUID) -> HttpResponse:
    return _operate(request, run_id, retry_run)


@signed_in
@require_POST
def cancel(request: PageRequest, run_id: UUID) -> HttpResponse:
    return _operate(request, run_id, cancel_run)


def _operate(request: PageRequest, run_id: UUID, operation: Callable[[object], Run]) -> HttpResponseRedirect:
    found = changeable(request, run_id)
    try:
        operation(found.pk)
    except ConsensusRefused as error:
        messages.error(request, str(error))
    return redirect("consensus:run", run_id=found.pk)


def visible(request: PageRequest, run_id: UUID) -> Run:
    found = Run.objects.visible_to(request.user).select_related("prompt_set", "parent_run").filter(pk=run_id).first()
    if found is None:
        raise Http404("There is no such run.")
    return found


def changeable(request: PageRequest, run_id: UUID) -> Run:
    found = visible(request, run_id)
    if not Run.objects.changeable_by(request.user).filter(pk=found.pk).exists():
        raise Http404("There is no such run.")
    return found


def label_of(step: str, names: dict[str, Any]) -> str:
    """A step's name for people."""
    if step.startswith("review_"):
        return f"Review: {names.get(step.removeprefix('review_'), step)}"
    return {"expand": "Expand the idea", "aggregate_decision": "Decide"}.get(step, step)
