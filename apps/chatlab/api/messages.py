"""The chat of a simulation over REST. Simulations of others answer 404."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest
from apps.accounts.models.roles import Scope
from apps.chatlab.api.permissions import NO_MESSAGE, refusals
from apps.chatlab.api.schemas import MessageIn, MessageOut, MessagePage, MessagePosted, OrderIn, ReadIn, ReadOut
from apps.chatlab.api.serializers import message_shown, posted, shown_rows
from apps.chatlab.services.replies import mark_read, place_order, post_message, retry_initial, retry_message
from apps.simulation.api.permissions import MISSING, askable_simulation, changeable_simulation, visible_simulation
from apps.simulation.api.schemas import SimulationCreated
from apps.simulation.api.serializers import created_shown
from orchestration.api.errors import found
from orchestration.api.permissions import needs
from orchestration.api.row_pages import page_shown
from orchestration.api.schemas import ErrorOut

router = Router(tags=["chat"])


@router.get(
    "/simulations/{any_uuid:simulation_id}/messages",
    response={200: MessagePage, **MISSING, 422: ErrorOut},
    summary="List messages in order, after a sequence",
)
@needs(Scope.SIMULATIONS_READ, row=visible_simulation)
def list_messages(
    request: AuthedRequest,
    simulation_id: UUID,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> dict[str, Any]:
    """`after` is the last sequence the caller has; poll with it for what is new."""
    simulation = visible_simulation(request, simulation_id)
    rows = shown_rows().filter(simulation=simulation, sequence__gt=after)
    return page_shown(rows.order_by("sequence"), limit, message_shown, lambda message: message.sequence)


@router.post(
    "/simulations/{any_uuid:simulation_id}/messages",
    response={202: MessagePosted, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Post a message; the reply is generated",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def create_message(request: AuthedRequest, simulation_id: UUID, body: MessageIn) -> Status[dict[str, Any]]:
    """Answers at once; the reply is the message whose `reply_to` is the id of this one."""
    simulation = askable_simulation(request, simulation_id)
    with refusals():
        message = post_message(simulation.pk, request.auth.user, body.content, body.client_id, image_ids=body.image_ids)
    return Status(202, posted(request, message))


@router.post(
    "/simulations/{any_uuid:simulation_id}/orders",
    response={202: MessagePosted, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Order tests; their results are generated",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def create_order(request: AuthedRequest, simulation_id: UUID, body: OrderIn) -> Status[dict[str, Any]]:
    """The order is a message of type `order`. Its results are metadata, and a message of type `results`."""
    simulation = askable_simulation(request, simulation_id)
    with refusals():
        message = place_order(simulation.pk, request.auth.user, body.tests, body.client_id)
    return Status(202, posted(request, message))


@router.post(
    "/simulations/{any_uuid:simulation_id}/messages/read",
    response={200: ReadOut, **MISSING, 422: ErrorOut},
    summary="Mark the patient's messages as read, up to a sequence",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def mark_messages_read(request: AuthedRequest, simulation_id: UUID, body: ReadIn) -> dict[str, int]:
    """Doing it again changes nothing."""
    return {"marked": mark_read(changeable_simulation(request, simulation_id), body.up_to)}


@router.get(
    "/simulations/{any_uuid:simulation_id}/messages/{int:message_id}",
    response={200: MessageOut, **MISSING},
    summary="One message, and whether it was answered",
)
@needs(Scope.SIMULATIONS_READ)
def get_message(request: AuthedRequest, simulation_id: UUID, message_id: int) -> dict[str, Any]:
    simulation = visible_simulation(request, simulation_id)
    message = shown_rows().filter(simulation=simulation, pk=message_id).first()
    return message_shown(found(message, NO_MESSAGE))


@router.post(
    "/simulations/{any_uuid:simulation_id}/messages/{int:message_id}/retry",
    response={202: MessagePosted, **MISSING, 409: ErrorOut},
    summary="Retry a failed message, at most twice",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def retry(request: AuthedRequest, simulation_id: UUID, message_id: int) -> Status[dict[str, Any]]:
    simulation = askable_simulation(request, simulation_id)
    with refusals():
        message = retry_message(simulation.pk, message_id)
    return Status(202, posted(request, message))


@router.post(
    "/simulations/{any_uuid:simulation_id}/retry-initial",
    response={202: SimulationCreated, **MISSING, 409: ErrorOut},
    summary="Retry a failed opening",
)
@needs(Scope.SIMULATIONS_WRITE, row=changeable_simulation)
def retry_opening(request: AuthedRequest, simulation_id: UUID) -> Status[dict[str, Any]]:
    simulation = askable_simulation(request, simulation_id)
    with refusals():
        simulation = retry_initial(simulation.pk)
    return Status(202, created_shown(request, simulation))
