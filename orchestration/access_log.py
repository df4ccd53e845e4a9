"""The access log: who looked at which prompts, answers and payloads. Its entries stand in the row's admin history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from orchestration.clock import database_now

LOOKED = "Looked at the content"
"""How such an entry begins."""


JUST = timedelta(minutes=5)


def has_just_looked(user: Any, obj: Model) -> bool:
    """Whether there is such an entry of this person's that is younger than JUST: a page loads its pictures after it."""
    kind = ContentType.objects.get_for_model(obj)
    mine = LogEntry.objects.filter(user_id=user.pk, content_type=kind, object_id=str(obj.pk))
    return mine.filter(change_message__startswith=LOOKED, action_time__gt=database_now() - JUST).exists()


def log_content_access(user: Any, obj: Model, how: str = "") -> None:
    """Add an entry; `how` is appended to its text, such as ` over the API`."""
    LogEntry.objects.log_actions(user.pk, [obj], CHANGE, f"{LOOKED}{how}.", single_object=True)
