"""What happened to the installation as a whole, for the charts of the console: deployments, pauses, restarts,
circuits, new prompt texts."""

from __future__ import annotations

from datetime import timedelta

from django.db import models

from orchestration.clock import database_now
from orchestration.types import JsonObject
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField

KEPT = timedelta(days=90)
LONGEST = 255


class EventKind(models.TextChoices):
    """What can happen."""

    DEPLOYMENT = "deployment"
    PAUSE = "pause"
    RESUME = "resume"
    START = "start"
    RESTART = "restart"
    KILLED = "killed"
    CIRCUIT_OPENED = "circuit_opened"
    CIRCUIT_CLOSED = "circuit_closed"
    PROMPT = "prompt"


class EngineEvent(models.Model):
    """One thing that happened. It is told to people, and decides nothing."""

    kind = models.CharField(max_length=16, choices=EventKind)
    about = models.CharField(max_length=LONGEST, help_text="The service, model, node, client or component.")
    detail = StoredJSONField(default=dict, blank=True, help_text="Of a deployment: the components and their sources.")
    at = MomentField(default=database_now)

    class Meta:
        db_table = "engine_event"
        ordering = ("-id",)
        verbose_name = "event of the engine"
        verbose_name_plural = "events of the engine"
        indexes = (
            models.Index(fields=("at",), name="engine_event_at"),
            models.Index(fields=("kind", "-id"), name="engine_event_kind"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: {self.about}"

    @classmethod
    def note(cls, kind: EventKind, about: str, detail: JsonObject | None = None) -> None:
        """Store that something happened now, and forget what is older than KEPT, but not the last deployment."""
        now = database_now()
        cls.objects.create(kind=kind, about=about[:LONGEST], detail=detail or {}, at=now)
        cls.objects.filter(at__lt=now - KEPT).exclude(kind=EventKind.DEPLOYMENT).delete()
