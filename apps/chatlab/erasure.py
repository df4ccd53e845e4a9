"""What is erased with a trainee, or with one simulation: the words of its conversation."""

from __future__ import annotations

from apps.chatlab.models import Message
from apps.simulation.erasure import of_simulation
from persistence.maintenance.kept import CODES, KEYS, keep
from persistence.maintenance.retention import ERASED, add_kind


def register() -> None:
    """Let messages be erased with their subject; they keep their places in the conversation."""
    add_kind("messages", of_simulation(Message, {"content": ERASED, "data": None}))
    keep(Message, CODES, "failure_code")
    keep(Message, KEYS, "provider_response_id", "client_id")
