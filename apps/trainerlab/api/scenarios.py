"""Scenarios over REST: write, list, import, export, start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.http import FileResponse
from ninja import File, Form, Query, Router, Status
from ninja.files import UploadedFile

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models.roles import Scope
from apps.simulation.api.permissions import MISSING, REFUSED, UPLOADS, check_asking
from apps.simulation.api.schemas import SimulationCreated
from apps.simulation.api.serializers import created_shown
from apps.simulation.services.image_upload import allow_upload, read_picture
from apps.trainerlab.api.permissions import (
    NO_SCENARIO,
    changeable_scenario,
    readable_scenario,
    refusals,
    startable_scenario,
)
from apps.trainerlab.api.schemas import Archived, PictureIn, ScenarioOut, ScenarioPage
from apps.trainerlab.api.serializers import scenario_shown
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.archive import MAX_ARCHIVE_BYTES, import_archive, write_archive
from apps.trainerlab.services.import_export import as_file, import_scenarios
from apps.trainerlab.services.pictures import add_picture
from apps.trainerlab.services.scenario_file import ImportOut, ScenarioFile, ScenarioIn
from apps.trainerlab.services.scenarios import start_scenario
from orchestration.api.errors import ApiError, found
from orchestration.api.permissions import needs
from orchestration.api.row_pages import older_than, page_shown
from orchestration.api.schemas import ErrorOut
from orchestration.clock import database_now

router = Router(tags=["training"])
UPLOADED = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary", "description": "A zip of at most 120 MB."}},
}
ARCHIVE = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


@router.get("/scenarios", response={200: ScenarioPage, **REFUSED, 422: ErrorOut}, summary="List scenarios")
@needs(Scope.SIMULATIONS_READ)
def list_scenarios(
    request: AuthedRequest,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    archived: bool = False,
) -> dict[str, Any]:
    """Trainees see those that are open to everybody, without the fields that reveal the case; authors see all."""
    user = require(request, Scope.SIMULATIONS_READ).user
    rows = ScenarioTemplate.objects.visible_to(user) if archived else ScenarioTemplate.objects.startable_by(user)
    page = older_than(rows, after, "`after` is not one of these scenarios. Start without it.")
    page = page.select_related("owner").order_by("-pk")
    return page_shown(page, limit, partial(scenario_shown, request), lambda template: template.uuid)


@router.post(
    "/scenarios",
    response={201: ScenarioOut, **REFUSED, 409: ErrorOut, 422: ErrorOut},
    summary="Write a scenario",
)
@needs(Scope.TRAINING_WRITE)
def create_scenario(request: AuthedRequest, body: ScenarioIn) -> Status[dict[str, Any]]:
    """409 when the key is taken."""
    user = require(request, Scope.TRAINING_WRITE).user
    with _key_is_free(body.key):
        template = ScenarioTemplate.objects.create(owner=user, **body.fields())
    return Status(201, scenario_shown(request, template))


@router.get(
    "/scenarios/export",
    response={200: ScenarioFile, **REFUSED},
    summary="Export all readable scenarios as a file that can be imported",
)
@needs(Scope.TRAINING_READ)
def export_scenarios(request: AuthedRequest) -> dict[str, Any]:
    """By key, without pictures and owners."""
    user = require(request, Scope.TRAINING_READ).user
    return as_file(ScenarioTemplate.objects.visible_to(user))


@router.post(
    "/scenarios/import",
    response={200: ImportOut, **REFUSED, 409: ErrorOut, 422: ErrorOut},
    summary="Import scenarios: new keys are created, known ones changed, all or nothing",
)
@needs(Scope.TRAINING_WRITE)
def import_scenario_file(request: AuthedRequest, body: ScenarioFile) -> ImportOut:
    """409 when a key belongs to somebody else; then nothing is changed."""
    user = require(request, Scope.TRAINING_WRITE).user
    with refusals():
        return import_scenarios(body, user)


@router.post(
    "/scenarios/import-archive",
    response={200: ImportOut, **REFUSED, 409: ErrorOut, 413: ErrorOut, 422: ErrorOut},
    summary="Import scenarios with their pictures from a zip, as they are exported",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": UPLOADED}}}},
)
@needs(Scope.TRAINING_WRITE)
def import_scenario_archive(request: AuthedRequest) -> ImportOut:
    """New keys are created, known ones changed, all or nothing. 409 for a zip that no export makes, and for the key of
    somebody else. The body is read when it is known that this person may import."""
    user = require(request, Scope.TRAINING_WRITE).user
    UPLOADS.check(str(user.pk), "uploads")
    allow_upload(request, MAX_ARCHIVE_BYTES)
    file = request.FILES.get("file")
    if file is None:
        raise ApiError(422, "file_missing", "Send the zip as the field `file` of a form, multipart/form-data.")
    with refusals():
        return import_archive(file, user)


@router.get("/scenarios/{any_uuid:scenario_id}", response={200: ScenarioOut, **MISSING}, summary="One scenario")
@needs(Scope.SIMULATIONS_READ)
def get_scenario(request: AuthedRequest, scenario_id: UUID) -> dict[str, Any]:
    return scenario_shown(request, readable_scenario(request, scenario_id))


@router.get(
    "/scenarios/{any_uuid:scenario_id}/export",
    response={**MISSING, 409: ErrorOut},
    summary="Export one scenario with its pictures as a zip",
    openapi_extra={"responses": {200: {"description": "A zip.", "content": ARCHIVE}}},
)
@needs(Scope.TRAINING_READ)
def export_scenario(request: AuthedRequest, scenario_id: UUID) -> FileResponse:
    """`scenarios.json` and the pictures that it names; it can be imported. 409 when a file is missing."""
    rows = ScenarioTemplate.objects.visible_to(require(request, Scope.TRAINING_READ).user).filter(uuid=scenario_id)
    template = found(rows.first(), NO_SCENARIO)
    with refusals():
        file = write_archive(rows)
    name = f"{template.key}.zip"
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")


@router.put(
    "/scenarios/{any_uuid:scenario_id}",
    response={200: ScenarioOut, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Change a scenario; started simulations keep their copy",
)
@needs(Scope.TRAINING_WRITE, row=changeable_scenario)
def change_scenario(request: AuthedRequest, scenario_id: UUID, body: ScenarioIn) -> dict[str, Any]:
    template = changeable_scenario(request, scenario_id)
    fields = body.fields()
    for name, value in fields.items():
        setattr(template, name, value)
    with _key_is_free(body.key):
        template.save(update_fields=[*fields, "updated_at"])
    return scenario_shown(request, template)


@router.post(
    "/scenarios/{any_uuid:scenario_id}/archive",
    response={200: ScenarioOut, **MISSING, 422: ErrorOut},
    summary="Archive a scenario, or restore it",
)
@needs(Scope.TRAINING_WRITE, row=changeable_scenario)
def archive_scenario(request: AuthedRequest, scenario_id: UUID, body: Archived) -> dict[str, Any]:
    """An archived one can neither be assigned nor started."""
    template = changeable_scenario(request, scenario_id)
    template.archived_at = (template.archived_at or database_now()) if body.archived else None
    template.save(update_fields=["archived_at", "updated_at"])
    return scenario_shown(request, template)


@router.post(
    "/scenarios/{any_uuid:scenario_id}/start",
    response={202: SimulationCreated, **MISSING, 409: ErrorOut},
    summary="Start a scenario yourself; the patient's first message is generated",
)
@needs(Scope.SIMULATIONS_WRITE, row=startable_scenario)
def start_a_scenario(request: AuthedRequest, scenario_id: UUID) -> Status[dict[str, Any]]:
    """Each request starts a new simulation."""
    template = startable_scenario(request, scenario_id)
    check_asking(request)
    with refusals():
        simulation = start_scenario(template, request.auth.user)
    return Status(202, created_shown(request, simulation))


@router.post(
    "/scenarios/{any_uuid:scenario_id}/images",
    response={201: None, **MISSING, 409: ErrorOut, 413: ErrorOut, 415: ErrorOut, 422: ErrorOut, 503: ErrorOut},
    summary="Add a picture that the patient can show: PNG, JPEG or WebP",
)
@needs(Scope.TRAINING_WRITE, row=changeable_scenario)
def add_scenario_image(
    request: AuthedRequest,
    scenario_id: UUID,
    file: Annotated[UploadedFile, File(description="At most 5 MB and 24 megapixels; a WebP at most 8.")],
    fields: Form[PictureIn],
) -> Status[None]:
    """The model reads the description, never the picture: say what it shows."""
    template = changeable_scenario(request, scenario_id)
    UPLOADS.check(str(request.auth.user.pk), "uploads")
    with refusals():
        add_picture(template, read_picture(file), fields.description)
    return Status(201, None)


@contextmanager
def _key_is_free(key: str) -> Iterator[None]:
    """ApiError 409 when another scenario has the key that is written in the block."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        message = f"There is already a scenario with the key {key}. Choose another one."
        raise ApiError(409, "key_taken", message) from error
