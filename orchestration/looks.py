"""That somebody looked at prompts, answers or payloads: an entry in the history of what was looked at."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model

LOOKED = "Looked at the content"
"""How such an entry begins."""


def note_look(user: Any, obj: Model, how: str = "") -> None:
    """`how` goes on from LOOKED, such as ` over the API`."""
    LogEntry.objects.log_actions(user.pk, [obj], CHANGE, f"{LOOKED}{how}.", single_object=True)
