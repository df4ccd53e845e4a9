"""The pictures of a scenario: add, show, order, remove."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.decorators import PageRequest
from apps.simulation.api.permissions import UPLOADS
from apps.simulation.services.image_upload import ImageRefused, image_response, read_picture
from apps.trainerlab.models import ScenarioImage, ScenarioTemplate
from apps.trainerlab.services.pictures import add_picture, move_picture, remove_picture
from apps.training.forms import PictureForm
from apps.training.permissions import for_instructors
from apps.training.responses import complaints
from apps.training.views.scenarios import changeable
from orchestration.api.errors import ApiError

NO_PICTURE = "There is no such picture."


@for_instructors
@require_POST
def add(request: PageRequest, scenario_id: UUID) -> HttpResponse:
    """A picture that the patient can show."""
    scenario = changeable(request, scenario_id)
    form = PictureForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, complaints(form))
        return _back(scenario)
    try:
        UPLOADS.check(str(request.user.pk), "uploads")
        add_picture(scenario, read_picture(form.cleaned_data["picture"]), form.cleaned_data["description"])
    except (ImageRefused, ApiError) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The picture has been added. New sessions include it.")
    return _back(scenario)


@for_instructors
@require_GET
def picture(request: PageRequest, scenario_id: UUID, image_id: UUID) -> HttpResponse:
    scenario = ScenarioTemplate.objects.visible_to(request.user).filter(uuid=scenario_id).first()
    found = scenario.images.filter(uuid=image_id).first() if scenario else None
    if found is None:
        raise Http404(NO_PICTURE)
    return image_response(found)


@for_instructors
@require_POST
def move(request: PageRequest, scenario_id: UUID, image_id: UUID) -> HttpResponse:
    """One place earlier, or with `later` one place later."""
    scenario = changeable(request, scenario_id)
    try:
        move_picture(scenario, image_id, 1 if "later" in request.POST else -1)
    except ScenarioImage.DoesNotExist as error:
        raise Http404(NO_PICTURE) from error
    return _back(scenario)


@for_instructors
@require_POST
def remove(request: PageRequest, scenario_id: UUID, image_id: UUID) -> HttpResponse:
    scenario = changeable(request, scenario_id)
    try:
        remove_picture(scenario, image_id)
    except ScenarioImage.DoesNotExist as error:
        raise Http404(NO_PICTURE) from error
    messages.success(request, "The picture has been removed. Sessions that have started keep it.")
    return _back(scenario)


def _back(scenario: ScenarioTemplate) -> HttpResponse:
    page = reverse("training:scenario", kwargs={"scenario_id": scenario.uuid})
    return redirect(f"{page}#pictures")
