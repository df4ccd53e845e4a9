"""The pages of scenarios."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.decorators import PageRequest
from apps.accounts.throttle import charge
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.previews import start_preview
from apps.trainerlab.services.scenarios import duplicate
from apps.training.forms import PictureForm
from apps.training.permissions import for_instructors
from apps.training.rendering import show
from apps.training.scenario_forms import CaseForms, free_key
from apps.training.views.previews import preview_of
from orchestration.api.errors import ApiError
from orchestration.clock import database_now

SECTIONS = (
    ("scenario", "Scenario"),
    ("patient", "Patient"),
    ("briefing", "Briefing"),
    ("story", "Story"),
    ("assessment", "Assessment"),
    ("findings", "Findings"),
    ("imaging", "Imaging"),
)
"""Of the editor: anchors and labels."""


@for_instructors
@require_GET
def scenarios(request: PageRequest) -> HttpResponse:
    rows = ScenarioTemplate.objects.visible_to(request.user).select_related("owner")
    mine = set(ScenarioTemplate.objects.changeable_by(request.user).values_list("pk", flat=True))
    context = {
        "scenarios": [row for row in rows if row.archived_at is None],
        "archived": [row for row in rows if row.archived_at is not None],
        "changeable": mine,
        "new_url": reverse("training:new_scenario"),
    }
    return show(request, "training/scenarios.html", context)


@for_instructors
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    return _edit(request, ScenarioTemplate(owner=request.user))


@for_instructors
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    return _edit(request, changeable(request, scenario_id))


def _edit(request: PageRequest, scenario: ScenarioTemplate) -> HttpResponse:
    forms = CaseForms(scenario, request.POST or None)
    if request.POST and forms.is_valid():
        try:
            forms.save()
        except ValidationError as error:
            forms.form.add_error(None, error)
        else:
            return _after_saving(request, scenario)
    context = {
        "forms": forms,
        "scenario": scenario,
        "pictures": scenario.images.all() if scenario.pk else (),
        "picture_form": PictureForm(),
        "preview": preview_of(request),
        "sections": SECTIONS,
    }
    return show(request, "training/scenario.html", context, status=422 if forms.is_refused else 200)


def _after_saving(request: PageRequest, scenario: ScenarioTemplate) -> HttpResponse:
    """Back to the editor, where an author continues; with `preview`, a new preview beside it."""
    page = reverse("training:scenario", kwargs={"scenario_id": scenario.uuid})
    if "preview" not in request.POST:
        messages.success(request, f"{scenario.title} has been saved. Running sessions keep the case as it was.")
        return redirect(page)
    try:
        charge(request.user.pk, "asking")
    except ApiError as error:
        messages.error(request, error.message)
        return redirect(page)
    preview = start_preview(scenario, request.user)
    return redirect(f"{page}?preview={preview.uuid}#preview")


@for_instructors
@require_POST
def copy(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    """Whoever may read a scenario may work on a copy of it."""
    scenario = ScenarioTemplate.objects.visible_to(request.user).filter(uuid=scenario_id).first()
    if scenario is None:
        raise Http404("There is no such scenario.")
    made = duplicate(scenario, request.user, free_key(scenario.key))
    messages.success(request, f"This is your copy of {scenario.title}. Only you can change it.")
    return redirect("training:scenario", made.uuid)


@for_instructors
@require_POST
def archive(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    """Archive a scenario, or restore it."""
    scenario = changeable(request, scenario_id)
    scenario.archived_at = None if scenario.archived_at else database_now()
    scenario.save(update_fields=["archived_at", "updated_at"])
    return redirect("training:scenarios")


def changeable(request: PageRequest, scenario_id: UUID) -> ScenarioTemplate:
    found = ScenarioTemplate.objects.changeable_by(request.user).filter(uuid=scenario_id).first()
    if found is None:
        raise Http404("You have no such scenario.")
    return found
