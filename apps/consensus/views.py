"""The pages: history, the form for an idea, a run with its live steps, its revision, and the comparison of two runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.decorators import PageRequest, signed_in
from apps.accounts.models.roles import scopes_of
from apps.accounts.throttle import charge
from apps.consensus.api.runs import REVIEW_COST
from apps.consensus.decision.verdict import Rules
from apps.consensus.errors import ConsensusRefused
from apps.consensus.forms import IdeaForm, RevisionForm
from apps.consensus.models import Run, StepStatus
from apps.consensus.models.runs import RunQuerySet
from apps.consensus.presentation import (
    diff_shown,
    label_of,
    reason,
    reviewer_name,
    run_took,
    score_bar,
    took,
    versions_of,
)
from apps.consensus.selectors import detail, log_run_access
from apps.consensus.workflow.retry_cancel import cancel_run, retry_run
from apps.consensus.workflow.start import start_revision, start_run
from orchestration.api.errors import ApiError
from orchestration.api.pagination import newest_first
from orchestration.models.states import PersistState

RUNS_ON_A_PAGE = 20


@signed_in
@require_GET
def history(request: PageRequest) -> HttpResponse:
    cursor = request.GET.get("cursor", "")[:200] or None
    try:
        rows = readable(request).select_related("prompt_set")
        page, following = newest_first(rows, cursor=cursor, limit=RUNS_ON_A_PAGE)
    except ApiError as error:
        raise Http404 from error
    return render(request, "consensus/history.html", {"runs": page, "next": following, "turned": cursor is not None})


@signed_in
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    form = IdeaForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            charge(request.user.pk, "asking", REVIEW_COST)
            run, _ = start_run(
                request.user,
                idea=form.checked.idea,
                extra_context=form.checked.extra_context,
                priority=form.checked.priority,
            )
        except (ConsensusRefused, ApiError) as error:
            form.add_error(None, str(error))
        else:
            return redirect("consensus:run", run_id=run.pk)
    return render(request, "consensus/new.html", {"form": form}, status=422 if form.errors else 200)


@signed_in
@require_GET
def run(request: PageRequest, run_id: UUID) -> HttpResponse:
    found = visible(request, run_id)
    may_change = Run.objects.changeable_by(request.user).filter(pk=found.pk).exists()
    log_run_access(request.user, found)
    shown = detail(found)
    names = {persona.persona_id: persona.name for persona in found.prompt_set.personas.all()}
    steps = [
        {**step, "label": label_of(step["step"], names), "took": took(step["duration_ms"])} for step in shown["steps"]
    ]
    reviews = [{**review, "name": reviewer_name(review["persona_name"])} for review in shown["reviews"]]
    rules = found.prompt_set.rules()
    context = {
        "run": found,
        "shown": shown,
        "steps": steps,
        "waits_for_a_person": found.is_open
        and found.steps.filter(call__domain_persist_state=PersistState.HELD).exists(),
        "failed": [step for step in steps if step["status"] == StepStatus.FAILED],
        "done": sum(step["status"] == StepStatus.COMPLETED for step in steps),
        "took": run_took(found),
        "reviews": reviews,
        "rules": rules,
        "may_change": may_change,
        "events_url": reverse("v1:stream_run_events", kwargs={"run_id": found.pk}),
        "versions": versions_of(found, readable(request)),
        **_verdict(shown["decision"], reviews, rules),
    }
    return render(request, "consensus/run.html", context)


def _verdict(decision: dict[str, Any] | None, reviews: list[dict[str, Any]], rules: Rules) -> dict[str, Any]:
    """The decision, its reason and the bar with its score, once there is one."""
    if decision is None:
        return {}
    minority = [{**report, "name": reviewer_name(report["persona_name"])} for report in decision["minority_reports"]]
    return {
        "decision": decision,
        "reason": reason(decision, reviews, rules),
        "bar": score_bar(decision, reviews, rules),
        "minority": minority,
    }


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
            charge(request.user.pk, "asking", REVIEW_COST)
            revision, _ = start_revision(request.user, parent, form.checked.edits())
        except (ConsensusRefused, ApiError) as error:
            form.add_error(None, str(error))
        else:
            return redirect("consensus:run", run_id=revision.pk)
    return render(request, "consensus/revise.html", {"form": form, "run": parent}, status=422 if form.errors else 200)


@signed_in
@require_GET
def diff(request: PageRequest, run_id: UUID, other_id: UUID) -> HttpResponse:
    before, after = visible(request, run_id), visible(request, other_id)
    for read in (before, after):
        log_run_access(request.user, read)
    return render(request, "consensus/diff.html", {"before": before, "after": after, **diff_shown(before, after)})


@signed_in
@require_POST
def retry(request: PageRequest, run_id: UUID) -> HttpResponse:
    return _operate(request, run_id, retry_run, counts="asking", cost=REVIEW_COST)


@signed_in
@require_POST
def cancel(request: PageRequest, run_id: UUID) -> HttpResponse:
    return _operate(request, run_id, cancel_run)


def _operate(
    request: PageRequest, run_id: UUID, operation: Callable[[object], Run], *, counts: str = "writes", cost: int = 1
) -> HttpResponseRedirect:
    found = changeable(request, run_id)
    try:
        charge(request.user.pk, counts, cost)
        operation(found.pk)
    except (ConsensusRefused, ApiError) as error:
        messages.error(request, str(error))
    return redirect("consensus:run", run_id=found.pk)


def readable(request: PageRequest) -> RunQuerySet:
    return Run.objects.readable_by(request.user, scopes_of(request.user))


def visible(request: PageRequest, run_id: UUID) -> Run:
    found = readable(request).select_related("prompt_set", "parent_run").filter(pk=run_id).first()
    if found is None:
        raise Http404("The run does not exist.")
    return found


def changeable(request: PageRequest, run_id: UUID) -> Run:
    found = visible(request, run_id)
    if not Run.objects.changeable_by(request.user).filter(pk=found.pk).exists():
        raise Http404("The run does not exist.")
    return found
