"""Assignments: made and withdrawn by instructors, started by trainees, who may also start open scenarios."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.decorators import PageRequest, signed_in
from apps.accounts.throttle import charge
from apps.simulation.errors import SimulationRefused
from apps.trainerlab.models import Assignment, ScenarioTemplate
from apps.trainerlab.services.scenarios import assign, start_assignment, start_scenario, withdraw
from apps.training.forms import AssignmentForm
from apps.training.permissions import for_instructors
from apps.training.rendering import show
from orchestration.api.errors import ApiError

ASSIGNMENTS_SHOWN = 100


@for_instructors
@require_http_methods(["GET", "POST"])
def assignments(request: PageRequest) -> HttpResponse:
    initial = {"template": request.GET.get("scenario", "")} if request.GET.get("scenario", "").isdigit() else None
    form = AssignmentForm(request.POST or None, user=request.user, initial=initial)
    if request.method == "POST" and form.is_valid():
        for trainee in form.cleaned_data["trainees"]:
            try:
                assign(
                    form.cleaned_data["template"],
                    trainee,
                    request.user,
                    message=form.cleaned_data["message"],
                    due_at=form.cleaned_data["due_at"],
                )
            except SimulationRefused as error:
                messages.error(request, f"{trainee}: {error}")
            else:
                messages.success(request, f"{form.cleaned_data['template']} has been assigned to {trainee}.")
        return redirect("training:assignments")
    rows = Assignment.objects.visible_to(request.user).select_related("template", "trainee", "simulation")
    context = {"form": form, "assignments": rows[:ASSIGNMENTS_SHOWN]}
    return show(request, "training/assignments.html", context, status=422 if form.errors else 200)


@for_instructors
@require_POST
def withdraw_assignment(request: PageRequest, assignment_id: int) -> HttpResponse:
    if not Assignment.objects.visible_to(request.user).filter(pk=assignment_id).exists():
        raise Http404("There is no such assignment.")
    try:
        withdraw(assignment_id)
    except SimulationRefused as error:
        messages.error(request, str(error))
    return redirect("training:assignments")


@signed_in
@require_POST
def start_assigned(request: PageRequest, assignment_id: int) -> HttpResponse:
    """Starting it again leads to the same session."""
    if not Assignment.objects.filter(pk=assignment_id, trainee=request.user).exists():
        raise Http404("You have no such assignment.")
    try:
        charge(request.user.pk, "asking")
        simulation = start_assignment(assignment_id)
    except (SimulationRefused, ApiError) as error:
        messages.error(request, str(error))
        return redirect("training:mine")
    return redirect("training:chat", simulation.uuid)


@signed_in
@require_POST
def start(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    scenario = ScenarioTemplate.objects.startable_by(request.user).filter(uuid=scenario_id).first()
    if scenario is None:
        raise Http404("There is no such scenario that you may start.")
    try:
        charge(request.user.pk, "asking")
    except ApiError as error:
        messages.error(request, str(error))
        return redirect("training:home")
    return redirect("training:chat", start_scenario(scenario, request.user).uuid)
