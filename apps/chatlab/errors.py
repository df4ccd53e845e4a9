"""Why the chat refuses something; the docstring is the message, `code` is for programs."""

from __future__ import annotations

from apps.simulation.errors import ClientIdReused as ClientIdReused
from apps.simulation.errors import NotRetryable as NotRetryable
from apps.simulation.errors import SimulationEnded as SimulationEnded
from apps.simulation.errors import SimulationRefused


class ChatRefused(SimulationRefused):
    """The chat refuses this."""


class RetriesUsed(ChatRefused):
    """This message was retried as often as it may be. Write a new one."""

    code = "retries_used"


class UnknownPicture(ChatRefused):
    """A picture that this message names is not one of yours in this simulation. Upload it first."""

    code = "unknown_picture"
