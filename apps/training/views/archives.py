"""Scenarios as files: export with their pictures, and import."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST
from pydantic import ValidationError as InvalidFile

from apps.accounts.decorators import PageRequest
from apps.simulation.api.permissions import UPLOADS
from apps.simulation.errors import SimulationRefused
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.archive import MAX_ARCHIVE_BYTES, import_archive, write_archive
from apps.trainerlab.services.import_export import import_scenarios
from apps.trainerlab.services.scenario_file import ImportOut, ScenarioFile, first_fault
from apps.training.permissions import for_instructors
from apps.training.uploads import accepts_uploads
from orchestration.api.errors import ApiError

SCENARIOS = "training:scenarios"
ZIP = b"PK"


@for_instructors
@require_GET
def export(request: PageRequest) -> HttpResponseBase:
    """All scenarios that this person may read, as a zip."""
    return _archive(request, ScenarioTemplate.objects.visible_to(request.user), "scenarios")


@for_instructors
@require_GET
def export_one(request: PageRequest, scenario_id: UUID) -> HttpResponseBase:
    rows = ScenarioTemplate.objects.visible_to(request.user).filter(uuid=scenario_id)
    found = rows.first()
    if found is None:
        raise Http404("There is no such scenario.")
    return _archive(request, rows, found.key)


def _archive(request: PageRequest, rows: QuerySet[ScenarioTemplate], name: str) -> HttpResponseBase:
    try:
        file = write_archive(rows)
    except SimulationRefused as error:
        messages.error(request, str(error))
        return redirect(SCENARIOS)
    return FileResponse(file, as_attachment=True, filename=f"{name}.zip", content_type="application/zip")


@for_instructors
@require_POST
@accepts_uploads(MAX_ARCHIVE_BYTES)
def import_file(request: PageRequest) -> HttpResponse:
    """Import an exported file: new keys are created, known ones changed, all or nothing."""
    upload = request.FILES.get("file")
    try:
        UPLOADS.check(str(request.user.pk), "uploads")
        done = _imported(request, upload)
    except InvalidFile as error:
        messages.error(request, f"Nothing was imported. {first_fault(error, of='The file')}")
    except (SimulationRefused, ApiError) as error:
        messages.error(request, f"Nothing was imported. {error}")
    else:
        messages.success(request, f"{done.created} created, {done.updated} changed, {done.unchanged} unchanged.")
    return redirect(SCENARIOS)


def _imported(request: PageRequest, upload: UploadedFile[bytes] | None) -> ImportOut:
    """What an upload holds: a zip with pictures, or scenarios alone as JSON."""
    if upload is None:
        raise SimulationRefused("Choose a file first.")
    starts_as = upload.read(len(ZIP))
    upload.seek(0)
    if starts_as == ZIP:
        return import_archive(upload, request.user)
    return import_scenarios(ScenarioFile.model_validate_json(upload.read()), request.user)
