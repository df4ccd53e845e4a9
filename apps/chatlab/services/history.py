"""The chat's part of a simulation's history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apps.chatlab.models import Message, MessageRole, MessageType
from apps.simulation.history import HistoryEntry, register_history_provider

if TYPE_CHECKING:
    from apps.simulation.models import Simulation


def chat_history(simulation: Simulation) -> Iterator[HistoryEntry]:
    """Every message that is neither deleted nor failed, in order."""
    rows = Message.objects.in_conversation().filter(simulation=simulation).select_related("sender")
    for message in rows.prefetch_related("media__image"):  # no iterator(): the reader may raise, or write
        patient = message.role == MessageRole.ASSISTANT
        yield {
            "source": "chatlab",
            "timestamp": message.created_at,
            "role": message.role,
            "sender": simulation.sim_patient_full_name if patient else str(message.sender or message.role),
            "content": in_words(message),
            "sequence": message.sequence,
            "kind": message.message_type,
            "name": simulation.sim_patient_full_name if patient else _name_of(message),
            "text": _without_pictures(message),
            "pictures": [media.image for media in message.media.all()],
        }


def in_words(message: Message) -> str:
    """The text of a message, with orders marked and pictures described."""
    text = _without_pictures(message)
    return "\n".join([*([text] if text else []), *(f"[Picture: {shown}]" for shown in message.shown())])


def _without_pictures(message: Message) -> str:
    if message.message_type == MessageType.ORDER:
        return f"Ordered: {', '.join(message.content.splitlines())}"
    return message.content


def _name_of(message: Message) -> str:
    return message.sender.get_full_name() or str(message.sender) if message.sender else ""


register_history_provider("chatlab", chat_history)
