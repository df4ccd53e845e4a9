"""Scenarios over REST: write, list, import, export, start."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from ninja import File, Form, Query, Router, Status
from ninja.files import UploadedFile

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.roles import Scope
from apps.simulation.api_access import MISSING, REFUSED, UPLOADS, check_asking, created_shown
from apps.simulation.images import read_picture
from apps.simulation.schemas import SimulationCreated
from apps.trainerlab.api_access import (
    changeable_scenario,
    readable_scenario,
    refusals,
    scenario_shown,
    startable_scenario,
)
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.porting import as_file, import_scenarios
from apps.trainerlab.scenarios import add_picture, start_scenario
from apps.trainerlab.schemas import Archived, ImportOut, PictureIn, ScenarioFile, ScenarioIn, ScenarioOut, ScenarioPage
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["training"])


@router.get("/scenarios", response={200: ScenarioPage, **REFUSED, 422: ErrorOut}, summary="Scenarios one may play")
def list_scenarios(
    request: AuthedRequest,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    archived: bool = False,
) -> dict[str, Any]:
    """Trainees see those that are open to everybody, without what gives the case away; authors see all."""
    user = require(request, Scope.SIMULATIONS_READ).user
    rows = ScenarioTemplate.objects.visible_to(user) if archived else ScenarioTemplate.objects.startable_by(user)
    if after is not None:
        cursor = rows.filter(uuid=after).values_list("pk", flat=True).first()
        if cursor is None:
            raise ApiError(422, "unknown_cursor", "`after` is none of these scenarios. Start without it.")
        rows = rows.filter(pk__lt=cursor)
    page = list(rows.select_related("owner").order_by("-pk")[: limit + 1])
    return {
        "items": [scenario_shown(request, template) for template in page[:limit]],
        "next": page[limit - 1].uuid if len(page) > limit else None,
    }


@router.post(
    "/scenarios",
    response={201: ScenarioOut, **REFUSED, 409: ErrorOut, 422: ErrorOut},
    summary="Write a scenario",
)
def create_scenario(request: AuthedRequest, body: ScenarioIn) -> Status[dict[str, Any]]:
    """409 when the key is taken."""
    user = require(request, Scope.TRAINING_WRITE).user
    try:
        with transaction.atomic():
            template = ScenarioTemplate.objects.create(owner=user, **body.fields())
    except IntegrityError as error:
        raise _key_taken(body.key) from error
    return Status(201, scenario_shown(request, template))


@router.get(
    "/scenarios/export",
    response={200: ScenarioFile, **REFUSED},
    summary="All scenarios one may read, as a file that can be imported",
)
def export_scenarios(request: AuthedRequest) -> dict[str, Any]:
    """By key, without pictures and owners."""
    user = require(request, Scope.TRAINING_READ).user
    return as_file(ScenarioTemplate.objects.visible_to(user))


@router.post(
    "/scenarios/import",
    response={200: ImportOut, **REFUSED, 409: ErrorOut, 422: ErrorOut},
    summary="Import scenarios: new keys are created, known ones changed, all or nothing",
)
def import_scenario_file(request: AuthedRequest, body: ScenarioFile) -> ImportOut:
    """409 when a key belongs to somebody else; then nothing is changed."""
    user = require(request, Scope.TRAINING_WRITE).user
    with refusals():
        return import_scenarios(body, user)


@router.get("/scenarios/{uuid:scenario_id}", response={200: ScenarioOut, **MISSING}, summary="One scenario")
def get_scenario(request: AuthedRequest, scenario_id: UUID) -> dict[str, Any]:
    return scenario_shown(request, readable_scenario(request, scenario_id))


@router.put(
    "/scenarios/{uuid:scenario_id}",
    response={200: ScenarioOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Change a scenario; simulations that were started keep their copy",
)
def change_scenario(request: AuthedRequest, scenario_id: UUID, body: ScenarioIn) -> dict[str, Any]:
    template = changeable_scenario(request, scenario_id)
    fields = body.fields()
    for name, value in fields.items():
        setattr(template, name, value)
    try:
        with transaction.atomic():
            template.save(update_fields=[*fields, "updated_at"])
    except IntegrityError as error:
        raise _key_taken(body.key) from error
    return scenario_shown(request, template)


@router.post(
    "/scenarios/{uuid:scenario_id}/archive",
    response={200: ScenarioOut, **MISSING, 422: ErrorOut},
    summary="Archive a scenario, or bring it back",
)
def archive_scenario(request: AuthedRequest, scenario_id: UUID, body: Archived) -> dict[str, Any]:
    """An archived one can neither be assigned nor started."""
    template = changeable_scenario(request, scenario_id)
    template.archived_at = (template.archived_at or timezone.now()) if body.archived else None
    template.save(update_fields=["archived_at", "updated_at"])
    return scenario_shown(request, template)


@router.post(
    "/scenarios/{uuid:scenario_id}/start",
    response={202: SimulationCreated, **MISSING, 409: ErrorOut},
    summary="Play a scenario oneself; the patient's first message is generated",
)
def start_a_scenario(request: AuthedRequest, scenario_id: UUID) -> Status[dict[str, Any]]:
    """Each request makes a simulation of its own."""
    template = startable_scenario(request, scenario_id)
    check_asking(request)
    with refusals():
        simulation = start_scenario(template, request.auth.user)
    return Status(202, created_shown(request, simulation))


@router.post(
    "/scenarios/{uuid:scenario_id}/images",
    response={201: None, **MISSING, 409: ErrorOut, 413: ErrorOut, 415: ErrorOut, 422: ErrorOut},
    summary="Add a picture that the patient can show: PNG, JPEG or WebP",
)
def add_scenario_image(
    request: AuthedRequest,
    scenario_id: UUID,
    file: Annotated[UploadedFile, File(description="At most 5 MB and 24 megapixels.")],
    fields: Form[PictureIn],
) -> Status[None]:
    """The model reads the description, never the picture: say what it shows."""
    template = changeable_scenario(request, scenario_id)
    UPLOADS.check(str(request.auth.user.pk), "uploads")
    with refusals():
        add_picture(template, read_picture(file), fields.description)
    return Status(201, None)


def _key_taken(key: str) -> ApiError:
    return ApiError(409, "key_taken", f"There is a scenario with the key {key} already. Choose another one.")
