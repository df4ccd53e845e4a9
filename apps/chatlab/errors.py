"""Refusals of the chat; the docstring is the message, `code` is for programs."""

from __future__ import annotations

from apps.simulation.errors import ClientIdReused as ClientIdReused
from apps.simulation.errors import NotRetryable as NotRetryable
from apps.simulation.errors import SimulationEnded as SimulationEnded
from apps.simulation.errors import SimulationRefused


class ChatRefused(SimulationRefused):
    """The chat does not allow this."""


class RetriesUsed(ChatRefused):
    """This message cannot be retried again. Write a new one."""

    code = "retries_used"


class UnknownPicture(ChatRefused):
    """This message names a picture that you did not upload to this simulation. Upload it first."""

    code = "unknown_picture"
