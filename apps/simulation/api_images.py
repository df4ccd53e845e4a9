"""Pictures of a simulation over REST."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from ninja import File, Form, Router, Status
from ninja.files import UploadedFile

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.roles import Action, Reach, Resource, Scope, reach
from apps.simulation.api_access import MISSING, UPLOADS, changeable_simulation, directs, visible_simulation
from apps.simulation.images import FORMATS, ImageRefused, add_image, image_response, read_picture
from apps.simulation.models import Simulation, SimulationImage
from apps.simulation.schemas import ImageIn, ImageOut
from orchestration.api_access import link
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["simulations"])
STATUS_OF = {"too_large": 413, "not_an_image": 415, "wrong_type": 415, "too_many": 409}
"""Of refused pictures; every other refusal is 422."""
PICTURES = {content_type: {"schema": {"type": "string", "format": "binary"}} for content_type, _ in FORMATS.values()}


@router.post(
    "/simulations/{uuid:simulation_id}/images",
    response={201: ImageOut, **MISSING, 409: ErrorOut, 413: ErrorOut, 415: ErrorOut, 422: ErrorOut},
    summary="Upload a picture: PNG, JPEG or WebP",
)
def upload_image(
    request: AuthedRequest,
    simulation_id: UUID,
    file: Annotated[UploadedFile, File(description="At most 5 MB and 24 megapixels.")],
    fields: Form[ImageIn],
) -> Status[dict[str, Any]]:
    """Stored anew, pixels only. Name its `id` in a message to send it."""
    for_case = fields.hidden
    simulation = _case_of(request, simulation_id) if for_case else changeable_simulation(request, simulation_id)
    UPLOADS.check(str(request.auth.user.pk), "uploads")
    try:
        picture = read_picture(file)
        image = add_image(simulation, request.auth.user, picture, fields.description, hidden=for_case)
    except ImageRefused as error:
        raise refused(error) from error
    return Status(201, image_shown(request, simulation, image))


@router.get(
    "/simulations/{uuid:simulation_id}/images",
    response={200: list[ImageOut], **MISSING},
    summary="Pictures of a simulation; hidden ones for instructors only",
)
def list_images(request: AuthedRequest, simulation_id: UUID) -> list[dict[str, Any]]:
    """In the order of upload."""
    simulation = visible_simulation(request, simulation_id)
    return [image_shown(request, simulation, image) for image in _seen(request, simulation).order_by("id")]


@router.get(
    "/simulations/{uuid:simulation_id}/images/{uuid:image_id}",
    response=MISSING,
    summary="The picture itself",
    openapi_extra={"responses": {200: {"description": "The picture.", "content": PICTURES}}},
)
def get_image(request: AuthedRequest, simulation_id: UUID, image_id: UUID) -> HttpResponse:
    """With the type that it was verified to have."""
    simulation = visible_simulation(request, simulation_id)
    image = _seen(request, simulation).filter(uuid=image_id).first()
    if image is None:
        raise ApiError(404, "not_found", "There is no such picture in this simulation.")
    return image_response(image)


def _case_of(request: AuthedRequest, simulation_id: UUID) -> Simulation:
    """The simulation, for those who direct it."""
    user = require(request, Scope.TRAINING_WRITE).user
    simulation = visible_simulation(request, simulation_id)
    if reach(user, Action.CHANGE, Resource.SESSION) is not Reach.ANY:
        raise ApiError(403, "read_only", "Only instructors may add hidden pictures.")
    return simulation


def _seen(request: AuthedRequest, simulation: Simulation) -> Any:
    rows = simulation.images
    return rows.all() if directs(request) else rows.filter(revealed_at__isnull=False)


def refused(error: ImageRefused) -> ApiError:
    return ApiError(STATUS_OF.get(error.code, 422), error.code, str(error))


def image_shown(request: AuthedRequest, simulation: Simulation, image: SimulationImage) -> dict[str, Any]:
    """As ImageOut."""
    return {
        "id": image.uuid,
        "content_type": image.content_type,
        "width": image.width,
        "height": image.height,
        "size": image.size,
        "description": image.description,
        "hidden": image.revealed_at is None,
        "url": link(request, "get_image", simulation_id=simulation.uuid, image_id=image.uuid),
    }
