"""What becomes of messages whose call is reverted: those that others follow count as deleted, in their place."""

from __future__ import annotations

from apps.chatlab.models import Message
from persistence.reprocessing.withdrawal import withdraws


@withdraws(Message, is_deleted=True)
def is_followed(message: Message) -> bool:
    """Messages are numbered without a gap, so only the newest is removed."""
    return Message.objects.filter(simulation=message.simulation_id, sequence__gt=message.sequence).exists()
