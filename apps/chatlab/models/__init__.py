"""The chat of a simulation and its messages."""

from apps.chatlab.models.messages import (
    MAX_CONTENT,
    MAX_RETRIES,
    Delivery,
    Message,
    MessageMedia,
    MessageRole,
    MessageType,
    record_message_event,
    store_message,
)
from apps.chatlab.models.sessions import ChatSession

__all__ = [
    "MAX_CONTENT",
    "MAX_RETRIES",
    "ChatSession",
    "Delivery",
    "Message",
    "MessageMedia",
    "MessageRole",
    "MessageType",
    "record_message_event",
    "store_message",
]
