"""The chat's part of a simulation's history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apps.chatlab.models import Message, MessageRole
from apps.simulation.history_registry import HistoryEntry, register_history_provider

if TYPE_CHECKING:
    from apps.simulation.models import Simulation


def chat_history(simulation: Simulation) -> Iterator[HistoryEntry]:
    """Every message that counts as said, in order."""
    rows = Message.objects.said().filter(simulation=simulation).select_related("sender")
    for message in rows.iterator():
        patient = message.role == MessageRole.ASSISTANT
        yield {
            "source": "chatlab",
            "timestamp": message.created_at,
            "role": message.role,
            "sender": simulation.sim_patient_full_name if patient else str(message.sender or message.role),
            "content": message.content,
        }


register_history_provider("chatlab", chat_history)
