"""Why the chat refuses something; the docstring is the message, `code` is for programs."""

from __future__ import annotations


class ChatRefused(Exception):
    """The chat refuses this."""

    code = "conflict"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class SimulationEnded(ChatRefused):
    """This simulation has ended; nothing can be added to it. Start a new one."""

    code = "simulation_ended"


class ClientIdReused(ChatRefused):
    """This client_id belongs to another message of this simulation. Use a new one for each message."""

    code = "client_id_reused"


class NotRetryable(ChatRefused):
    """Only a failed message that may succeed when tried again can be retried."""

    code = "not_retryable"


class RetriesUsed(ChatRefused):
    """This message was retried as often as it may be. Write a new one."""

    code = "retries_used"
