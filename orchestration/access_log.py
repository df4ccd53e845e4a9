"""The access log: who looked at which prompts, answers and payloads. Its entries stand in the row's admin history."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model

LOOKED = "Looked at the content"
"""How such an entry begins."""


def log_content_access(user: Any, obj: Model, how: str = "") -> None:
    """Add an entry; `how` is appended to its text, such as ` over the API`."""
    LogEntry.objects.log_actions(user.pk, [obj], CHANGE, f"{LOOKED}{how}.", single_object=True)
