"""Messages as the API shows them."""

from __future__ import annotations

from typing import Any

from apps.accounts.auth import AuthedRequest
from apps.chatlab.models import Delivery, Message
from apps.chatlab.models.messages import MessageQuerySet
from apps.simulation.api.serializers import call_shown
from apps.simulation.services.failure_messages import reason_of


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
