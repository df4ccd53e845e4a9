"""Scenarios and who is to play them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from pydantic import ValidationError as InvalidFile

from apps.accounts.page_access import PageRequest, signed_in
from apps.simulation.api_access import UPLOADS
from apps.simulation.errors import SimulationRefused
from apps.simulation.images import ImageRefused, image_response, read_picture
from apps.trainerlab.models import Assignment, ScenarioTemplate
from apps.trainerlab.porting import import_scenarios
from apps.trainerlab.scenarios import add_picture, assign, start_assignment, start_scenario, withdraw
from apps.trainerlab.schemas import ScenarioFile
from apps.training.access import for_instructors
from apps.training.answers import complaints
from apps.training.forms import AssignmentForm, FindingFormSet, PictureForm, ScenarioForm
from apps.training.showing import show
from orchestration.api_errors import ApiError

ASSIGNMENTS_SHOWN = 100


@for_instructors
@require_GET
def scenarios(request: PageRequest) -> HttpResponse:
    rows = ScenarioTemplate.objects.visible_to(request.user).select_related("owner")
    mine = set(ScenarioTemplate.objects.changeable_by(request.user).values_list("pk", flat=True))
    context = {
        "scenarios": [row for row in rows if row.archived_at is None],
        "archived": [row for row in rows if row.archived_at is not None],
        "changeable": mine,
    }
    return show(request, "training/scenarios.html", context)


@for_instructors
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    return _edit(request, ScenarioTemplate(owner=request.user))


@for_instructors
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    return _edit(request, _changeable(request, scenario_id))


def _edit(request: PageRequest, scenario: ScenarioTemplate) -> HttpResponse:
    data = request.POST or None
    form = ScenarioForm(data, instance=scenario)
    findings = FindingFormSet(data, initial=scenario.findings, prefix="findings")
    if data and form.is_valid() and findings.is_valid():
        try:
            form.take_over([found for row in findings if (found := row.finding)])
        except ValidationError as error:
            form.add_error(None, error)
        else:
            form.save()
            messages.success(request, f"{scenario.title} is saved. Sessions that run keep the case as it was.")
            if "more" in request.POST:
                return redirect("training:scenario", scenario.uuid)
            return redirect("training:scenarios")
    failed = bool(form.errors) or bool(data and not findings.is_valid())
    pictures = scenario.images.order_by("pk") if scenario.pk else ()
    context = {
        "form": form,
        "findings": findings,
        "scenario": scenario,
        "pictures": pictures,
        "picture_form": PictureForm(),
    }
    return show(request, "training/scenario.html", context, status=422 if failed else 200)


@for_instructors
@require_POST
def add(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    """A picture that the patient can show."""
    scenario = _changeable(request, scenario_id)
    form = PictureForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, complaints(form))
        return redirect("training:scenario", scenario.uuid)
    try:
        UPLOADS.check(str(request.user.pk), "uploads")
        add_picture(scenario, read_picture(form.cleaned_data["picture"]), form.cleaned_data["description"])
    except (ImageRefused, ApiError) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The picture is added. Sessions that are started from now on have it.")
    return redirect("training:scenario", scenario.uuid)


@for_instructors
@require_GET
def picture(request: PageRequest, scenario_id: UUID, image_id: UUID) -> HttpResponse:
    scenario = ScenarioTemplate.objects.visible_to(request.user).filter(uuid=scenario_id).first()
    found = scenario.images.filter(uuid=image_id).first() if scenario else None
    if found is None:
        raise Http404("There is no such picture.")
    return image_response(found)


@for_instructors
@require_POST
def archive(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    """Take a scenario out of use, or bring it back."""
    scenario = _changeable(request, scenario_id)
    scenario.archived_at = None if scenario.archived_at else timezone.now()
    scenario.save(update_fields=["archived_at", "updated_at"])
    return redirect("training:scenarios")


def _changeable(request: PageRequest, scenario_id: UUID) -> ScenarioTemplate:
    found = ScenarioTemplate.objects.changeable_by(request.user).filter(uuid=scenario_id).first()
    if found is None:
        raise Http404("There is no such scenario of yours.")
    return found


@for_instructors
@require_POST
def take_in(request: PageRequest) -> HttpResponse:
    """Scenarios from a file, as it was exported: new keys are created, known ones changed, all or nothing."""
    upload = request.FILES.get("file")
    try:
        done = import_scenarios(ScenarioFile.model_validate_json(upload.read() if upload else b""), request.user)
    except InvalidFile as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        messages.error(request, f"Nothing was imported. At {place}: {first['msg']}.")
    except SimulationRefused as error:
        messages.error(request, f"Nothing was imported. {error}")
    else:
        messages.success(request, f"{done.created} created, {done.updated} changed, {done.unchanged} as they were.")
    return redirect("training:scenarios")


# --- assignments ------------------------------------------------------------------------------


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
                messages.success(request, f"{form.cleaned_data['template']} is assigned to {trainee}.")
        return redirect("training:assignments")
    rows = Assignment.objects.visible_to(request.user).select_related("template", "trainee", "simulation")
    context = {"form": form, "assignments": rows[:ASSIGNMENTS_SHOWN]}
    return show(request, "training/assignments.html", context, status=422 if form.errors else 200)


@for_instructors
@require_POST
def take_back(request: PageRequest, assignment_id: int) -> HttpResponse:
    if not Assignment.objects.visible_to(request.user).filter(pk=assignment_id).exists():
        raise Http404("There is no such assignment.")
    try:
        withdraw(assignment_id)
    except SimulationRefused as error:
        messages.error(request, str(error))
    return redirect("training:assignments")


# --- starting ---------------------------------------------------------------------------------


@signed_in
@require_POST
def start_assigned(request: PageRequest, assignment_id: int) -> HttpResponse:
    """Started twice, it is the same session."""
    if not Assignment.objects.filter(pk=assignment_id, trainee=request.user).exists():
        raise Http404("There is no such assignment of yours.")
    try:
        simulation = start_assignment(assignment_id)
    except SimulationRefused as error:
        messages.error(request, str(error))
        return redirect("training:mine")
    return redirect("training:chat", simulation.uuid)


@signed_in
@require_POST
def start(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    scenario = ScenarioTemplate.objects.startable_by(request.user).filter(uuid=scenario_id).first()
    if scenario is None:
        raise Http404("There is no such scenario for you to start.")
    return redirect("training:chat", start_scenario(scenario, request.user).uuid)
