"""The briefing before a session: the setting, the task, the time. Nothing starts before "Begin"."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from apps.accounts.decorators import PageRequest, signed_in
from apps.trainerlab.models import Assignment, ScenarioTemplate
from apps.training.rendering import show


@signed_in
@require_GET
def of_assignment(request: PageRequest, assignment_id: int) -> HttpResponse:
    """Of a scenario that was assigned; a session that was begun is continued."""
    rows = Assignment.objects.select_related("template", "assigned_by", "simulation")
    assignment = rows.filter(pk=assignment_id, trainee=request.user, withdrawn_at__isnull=True).first()
    if assignment is None:
        raise Http404("You have no such assignment.")
    if assignment.simulation is not None:
        return redirect("training:chat", assignment.simulation.uuid)
    begin = reverse("training:start_assignment", args=(assignment.pk,))
    return _briefing(request, assignment.template, begin, assignment)


@signed_in
@require_GET
def of_scenario(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    """Of a scenario that this person may start."""
    scenario = ScenarioTemplate.objects.startable_by(request.user).filter(uuid=scenario_id).first()
    if scenario is None:
        raise Http404("There is no such scenario that you may start.")
    return _briefing(request, scenario, reverse("training:start_scenario", args=(scenario.uuid,)))


def _briefing(
    request: PageRequest, scenario: ScenarioTemplate, begin: str, assignment: Assignment | None = None
) -> HttpResponse:
    """What a trainee may know beforehand: neither the diagnosis nor the story."""
    context = {
        "scenario": scenario,
        "assignment": assignment,
        "begin": begin,
        "minutes": None if scenario.time_limit is None else int(scenario.time_limit.total_seconds() // 60),
    }
    return show(request, "training/briefing.html", context)
