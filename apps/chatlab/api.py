"""The chat of a simulation over REST. What is not yours is 404."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Status

from apps.accounts.auth import AuthedRequest
from apps.chatlab.delivery import NOT_STORED, post_message, retry_initial, retry_message
from apps.chatlab.errors import ChatRefused
from apps.chatlab.models import Delivery, Message
from apps.chatlab.schemas import MessageIn, MessageOut, MessagePage, MessagePosted
from apps.simulation.api import call_shown, changeable_simulation, shown, visible_simulation
from apps.simulation.schemas import SimulationCreated
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["chat"])

MISSING = {401: ErrorOut, 403: ErrorOut, 404: ErrorOut}

REASONS = {
    "refused": "The simulated patient's model refused to answer this.",
    "cancelled": "The reply was cancelled.",
    NOT_STORED: "The reply is there but could not be stored; an operator has to look at it.",
}
"""By failure code, for people. The provider's own words are in the audit, not here."""
ANY_REASON = "The simulated patient could not answer."


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
    rows = Message.objects.filter(simulation=simulation, sequence__gt=after).select_related("sender")
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
    with refusals():
        message = post_message(simulation.pk, request.auth.user, body.content, body.client_id)
    return Status(202, posted(request, message))


@router.get(
    "/simulations/{uuid:simulation_id}/messages/{int:message_id}",
    response={200: MessageOut, **MISSING},
    summary="One message, and whether it was answered",
)
def get_message(request: AuthedRequest, simulation_id: UUID, message_id: int) -> dict[str, Any]:
    simulation = visible_simulation(request, simulation_id)
    message = Message.objects.filter(simulation=simulation, pk=message_id).select_related("sender").first()
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
    with refusals():
        simulation = retry_initial(simulation.pk)
    call = simulation.initial_call
    return Status(202, {**shown(request, simulation), "call": call_shown(request, call) if call else None})


@contextmanager
def refusals() -> Iterator[None]:
    """The chat's errors as the API's."""
    try:
        yield
    except ChatRefused as error:
        raise ApiError(409, error.code, str(error)) from error
    except Message.DoesNotExist as error:
        raise no_message() from error


def no_message() -> ApiError:
    return ApiError(404, "not_found", "There is no such message in this simulation.")


def posted(request: AuthedRequest, message: Message) -> dict[str, Any]:
    """A message as MessagePosted."""
    call = call_shown(request, message.call) if message.call else None
    return {"message": message_shown(message), "call": call}


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
        "reply_to": message.reply_to_id,
        "call_id": message.call_id,
        "client_id": message.client_id,
        "delivery_status": message.delivery_status,
        "failure_code": message.failure_code,
        "failure_reason": REASONS.get(message.failure_code, ANY_REASON) if failed else None,
        "retryable": message.retryable,
        "retries_left": message.retries_left,
        "is_read": message.is_read,
        "is_deleted": message.is_deleted,
        "created_at": message.created_at,
        "delivered_at": message.delivered_at,
    }
