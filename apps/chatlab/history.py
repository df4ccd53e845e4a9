"""The chat's part of a simulation's history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apps.chatlab.models import Message, MessageRole, MessageType
from apps.simulation.history_registry import HistoryEntry, register_history_provider

if TYPE_CHECKING:
    from apps.simulation.models import Simulation


def chat_history(simulation: Simulation) -> Iterator[HistoryEntry]:
    """Every message that counts as said, in order."""
    rows = Message.objects.said().filter(simulation=simulation).select_related("sender")
    for message in rows.prefetch_related("media__image").iterator(chunk_size=500):
        patient = message.role == MessageRole.ASSISTANT
        yield {
            "source": "chatlab",
            "timestamp": message.created_at,
            "role": message.role,
            "sender": simulation.sim_patient_full_name if patient else str(message.sender or message.role),
            "content": told(message),
            "sequence": message.sequence,
            "kind": message.message_type,
        }


def told(message: Message) -> str:
    """The message in words: an order says that it is one, a picture what it shows."""
    text = message.content
    if message.message_type == MessageType.ORDER:
        text = f"Ordered: {', '.join(text.splitlines())}"
    return "\n".join([*([text] if text else []), *(f"[Picture: {shown}]" for shown in message.shown())])


register_history_provider("chatlab", chat_history)
