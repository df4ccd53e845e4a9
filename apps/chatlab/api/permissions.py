"""The chat's errors as ApiError."""

from __future__ import annotations

from functools import partial

from apps.chatlab.models import Message
from apps.simulation.api.permissions import REFUSALS
from orchestration.api.errors import ApiError, refused_as

NO_MESSAGE = "There is no such message in this simulation."

refusals = partial(refused_as, REFUSALS | {Message.DoesNotExist: lambda error: ApiError(404, "not_found", NO_MESSAGE)})
