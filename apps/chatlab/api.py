"""The chat of a simulation over REST. What is not yours is 404."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest
from apps.chatlab.delivery import mark_read, place_order, post_message, retry_initial, retry_message
from apps.chatlab.models import Delivery, Message, MessageQuerySet
from apps.chatlab.schemas import MessageIn, MessageOut, MessagePage, MessagePosted, OrderIn, ReadIn, ReadOut
from apps.simulation.api_access import (
    MISSING,
    call_shown,
    changeable_simulation,
    check_asking,
    created_shown,
    visible_simulation,
)
from apps.simulation.api_access import refusals as simulation_refusals
from apps.simulation.schemas import SimulationCreated
from apps.simulation.verdicts import reason_of
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["chat"])


@router.get(
    "/simulations/{uuid:simulation_id}/messages",
    response={200: MessagePage, **MISSING, 422: ErrorOut},
    summary="Messages in order, from a sequence on",
)
def list_messages(
    request: AuthedRequest,
    simulation_id: UUID,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> dict[str, Any]:
    """`after` is the last sequence the caller has; poll with it for what is new."""
    simulation = visible_simulation(request, simulation_id)
    rows = shown_rows().filter(simulation=simulation, sequence__gt=after)
    page = list(rows.order_by("sequence")[: limit + 1])
    return {
        "items": [message_shown(message) for message in page[:limit]],
        "next": page[limit - 1].sequence if len(page) > limit else None,
    }


@router.post(
    "/simulations/{uuid:simulation_id}/messages",
    response={202: MessagePosted, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Say something; the reply is generated",
)
def create_message(request: AuthedRequest, simulation_id: UUID, body: MessageIn) -> Status[dict[str, Any]]:
    """The answer comes at once; the reply is the message whose `reply_to` is this one's id."""
    simulation = changeable_simulation(request, simulation_id)
    check_asking(request)
    with refusals():
        message = post_message(simulation.pk, request.auth.user, body.content, body.client_id, image_ids=body.image_ids)
    return Status(202, posted(request, message))


@router.post(
    "/simulations/{uuid:simulation_id}/orders",
    response={202: MessagePosted, **MISSING, 409: ErrorOut, 422: ErrorOut},
    summary="Order tests; their results are generated",
)
def create_order(request: AuthedRequest, simulation_id: UUID, body: OrderIn) -> Status[dict[str, Any]]:
    """The order is a message of type `order`. Its results are metadata, and a message of type `results`."""
    simulation = changeable_simulation(request, simulation_id)
    check_asking(request)
    with refusals():
        message = place_order(simulation.pk, request.auth.user, body.tests, body.client_id)
    return Status(202, posted(request, message))


@router.post(
    "/simulations/{uuid:simulation_id}/messages/read",
    response={200: ReadOut, **MISSING, 422: ErrorOut},
    summary="Mark what the patient said as read, up to a sequence",
)
def mark_messages_read(request: AuthedRequest, simulation_id: UUID, body: ReadIn) -> dict[str, int]:
    """Doing it again changes nothing."""
    return {"marked": mark_read(changeable_simulation(request, simulation_id), body.up_to)}


@router.get(
    "/simulations/{uuid:simulation_id}/messages/{int:message_id}",
    response={200: MessageOut, **MISSING},
    summary="One message, and whether it was answered",
)
def get_message(request: AuthedRequest, simulation_id: UUID, message_id: int) -> dict[str, Any]:
    simulation = visible_simulation(request, simulation_id)
    message = shown_rows().filter(simulation=simulation, pk=message_id).first()
    if message is None:
        raise no_message()
    return message_shown(message)


@router.post(
    "/simulations/{uuid:simulation_id}/messages/{int:message_id}/retry",
    response={202: MessagePosted, **MISSING, 409: ErrorOut},
    summary="Try a failed message again, at most twice",
)
def retry(request: AuthedRequest, simulation_id: UUID, message_id: int) -> Status[dict[str, Any]]:
    simulation = changeable_simulation(request, simulation_id)
    check_asking(request)
    with refusals():
        message = retry_message(simulation.pk, message_id)
    return Status(202, posted(request, message))


@router.post(
    "/simulations/{uuid:simulation_id}/retry-initial",
    response={202: SimulationCreated, **MISSING, 409: ErrorOut},
    summary="Try a failed opening again",
)
def retry_opening(request: AuthedRequest, simulation_id: UUID) -> Status[dict[str, Any]]:
    simulation = changeable_simulation(request, simulation_id)
    check_asking(request)
    with refusals():
        simulation = retry_initial(simulation.pk)
    return Status(202, created_shown(request, simulation))


@contextmanager
def refusals() -> Iterator[None]:
    """The chat's errors as the API's."""
    try:
        with simulation_refusals():
            yield
    except Message.DoesNotExist as error:
        raise no_message() from error


def no_message() -> ApiError:
    return ApiError(404, "not_found", "There is no such message in this simulation.")


def shown_rows() -> MessageQuerySet:
    """Messages with what `message_shown` needs, in three queries for any number."""
    return Message.objects.select_related("sender").prefetch_related("media__image")


def posted(request: AuthedRequest, message: Message) -> dict[str, Any]:
    """A message as MessagePosted."""
    return {"message": message_shown(message), "call": call_shown(request, message.call)}


def message_shown(message: Message) -> dict[str, Any]:
    """A message as MessageOut; of a deleted one only its place is left."""
    failed = message.delivery_status == Delivery.FAILED
    return {
        "id": message.pk,
        "sequence": message.sequence,
        "role": message.role,
        "is_from_ai": message.is_from_ai,
        "sender": message.sender.email if message.sender else None,
        "content": "" if message.is_deleted else message.content,
        "message_type": message.message_type,
        "images": [] if message.is_deleted else [media.image.uuid for media in message.media.all()],
        "reply_to": message.reply_to_id,
        "call_id": message.call_id,
        "client_id": message.client_id,
        "delivery_status": message.delivery_status,
        "failure_code": message.failure_code,
        "failure_reason": reason_of(message.failure_code) if failed else None,
        "retryable": message.retryable,
        "retries_left": message.retries_left,
        "is_read": message.is_read,
        "is_deleted": message.is_deleted,
        "created_at": message.created_at,
        "delivered_at": message.delivered_at,
    }
