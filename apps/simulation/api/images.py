"""Pictures of a simulation over REST."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from ninja import File, Form, Router, Status
from ninja.files import UploadedFile

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models.roles import Action, Reach, Resource, Scope, reach
from apps.simulation.api.permissions import MISSING, UPLOADS, changeable_simulation, directs, visible_simulation
from apps.simulation.api.schemas import ImageIn, ImageOut
from apps.simulation.api.serializers import image_shown
from apps.simulation.models import Simulation
from apps.simulation.services.image_upload import FORMATS, ImageRefused, add_image, image_response, read_picture
from orchestration.api.errors import ApiError, found
from orchestration.api.permissions import needs
from orchestration.api.schemas import ErrorOut

router = Router(tags=["simulations"])
STATUS_OF = {"too_large": 413, "not_an_image": 415, "wrong_type": 415, "too_many": 409, "busy": 503}
"""Of refused pictures; every other refusal is 422."""
PICTURES = {content_type: {"schema": {"type": "string", "format": "binary"}} for content_type, _ in FORMATS.values()}


def check_may_upload(request: AuthedRequest, simulation_id: UUID) -> None:
    """ApiError 403 or 404 for callers who may add neither their own picture nor a hidden one."""
    try:
        changeable_simulation(request, simulation_id)
    except ApiError:
        if not (directs(request) and {Scope.TRAINING_WRITE, Scope.SIMULATIONS_READ} <= request.auth.scopes):
            raise
        _directed(request, simulation_id)


def _directed(request: AuthedRequest, simulation_id: UUID) -> Simulation:
    """The simulation, for those who direct it."""
    user = require(request, Scope.TRAINING_WRITE).user
    simulation = visible_simulation(request, simulation_id)
    if reach(user, Action.CHANGE, Resource.SESSION) is not Reach.ANY:
        raise ApiError(403, "read_only", "Only instructors may add hidden pictures.")
    return simulation


@router.post(
    "/simulations/{any_uuid:simulation_id}/images",
    response={201: ImageOut, **MISSING, 409: ErrorOut, 413: ErrorOut, 415: ErrorOut, 422: ErrorOut, 503: ErrorOut},
    summary="Upload a picture: PNG, JPEG or WebP",
)
@needs(row=check_may_upload)
def upload_image(
    request: AuthedRequest,
    simulation_id: UUID,
    file: Annotated[UploadedFile, File(description="At most 5 MB and 24 megapixels; a WebP at most 8.")],
    fields: Form[ImageIn],
) -> Status[dict[str, Any]]:
    """Only pixels are stored. Name its `id` in a message to send it. Scope: `simulations:write`, or `training:write`
    and `simulations:read` for a hidden one."""
    for_case = fields.hidden
    simulation = _directed(request, simulation_id) if for_case else changeable_simulation(request, simulation_id)
    UPLOADS.check(str(request.auth.user.pk), "uploads")
    try:
        picture = read_picture(file)
        image = add_image(simulation, request.auth.user, picture, fields.description, hidden=for_case)
    except ImageRefused as error:
        raise refused(error) from error
    return Status(201, image_shown(request, simulation, image))


@router.get(
    "/simulations/{any_uuid:simulation_id}/images",
    response={200: list[ImageOut], **MISSING},
    summary="Pictures of a simulation; hidden ones for instructors only",
)
@needs(Scope.SIMULATIONS_READ)
def list_images(request: AuthedRequest, simulation_id: UUID) -> list[dict[str, Any]]:
    """In the order of upload."""
    simulation = visible_simulation(request, simulation_id)
    return [image_shown(request, simulation, image) for image in _seen(request, simulation).order_by("id")]


@router.get(
    "/simulations/{any_uuid:simulation_id}/images/{any_uuid:image_id}",
    response=MISSING,
    summary="The picture itself",
    openapi_extra={"responses": {200: {"description": "The picture.", "content": PICTURES}}},
)
@needs(Scope.SIMULATIONS_READ)
def get_image(request: AuthedRequest, simulation_id: UUID, image_id: UUID) -> HttpResponse:
    """With its verified content type."""
    simulation = visible_simulation(request, simulation_id)
    image = _seen(request, simulation).filter(uuid=image_id).first()
    return image_response(found(image, "There is no such picture in this simulation."))


def _seen(request: AuthedRequest, simulation: Simulation) -> Any:
    rows = simulation.images
    return rows.all() if directs(request) else rows.filter(revealed_at__isnull=False)


def refused(error: ImageRefused) -> ApiError:
    return ApiError(STATUS_OF.get(error.code, 422), error.code, str(error))
