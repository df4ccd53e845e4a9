"""A simulation as its instructors see it: the session, their commands and their notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.simulation.fields import validate_text
from apps.simulation.models import Simulation
from apps.trainerlab.models.scenarios import ScenarioTemplate
from orchestration.clock import database_now
from orchestration.models.append_only import AppendOnlyModel, AppendOnlyQuerySet
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField

if TYPE_CHECKING:
    pass


class TrainerSession(models.Model):
    """A simulation as instructors see it: its scenario, and who directs it."""

    simulation = models.OneToOneField(Simulation, on_delete=models.CASCADE, related_name="trainer_session")
    template = models.ForeignKey(
        ScenarioTemplate, null=True, blank=True, on_delete=models.SET_NULL, related_name="sessions"
    )
    instructor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = MomentField(default=database_now, editable=False)

    class Meta:
        db_table = "trainer_session"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"session of simulation {self.simulation_id}"


class CommandKind(models.TextChoices):
    """The commands of an instructor in a session."""

    EVENT = "event"  # text: everybody sees it, the patient knows about it
    DIRECTION = "direction"  # text: only the patient is told
    FINDING = "finding"  # a finding, see apps.simulation.models.cases
    VITALS = "vitals"  # values by code, see apps.simulation.clinical.vitals
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


class SessionEvent(AppendOnlyModel):
    """A command of an instructor that was carried out. Append-only, and each command key once per session."""

    session = models.ForeignKey(TrainerSession, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=16, choices=CommandKind)
    command_key = models.CharField(max_length=64)
    data = StoredJSONField(default=dict)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = MomentField(default=database_now, editable=False)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        db_table = "session_event"
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("session", "command_key"), name="session_event_command_once"),
            models.CheckConstraint(condition=Q(kind__in=CommandKind.values), name="session_event_kind_known"),
        )

    def __str__(self) -> str:
        return f"{self.kind} in session {self.session_id}"


class InstructorNote(models.Model):
    """A note of an instructor: on the whole session, or on one message. The trainee sees it in the debrief."""

    session = models.ForeignKey(TrainerSession, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    message_sequence = models.PositiveIntegerField(null=True, blank=True)
    """The number of the message that it is about; null: the whole session."""
    content = models.TextField(validators=[validate_text])
    created_at = MomentField(default=database_now, editable=False)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "instructor_note"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"note {self.pk} on session {self.session_id}"
