"""What instructors write and do: scenarios, assignments, the commands of a session, and notes on it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.validators import validate_slug
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.accounts.owned import OwnedQuerySet
from apps.accounts.roles import Action, Reach, Resource, reach
from apps.simulation.cases import validate_findings, validate_modifiers
from apps.simulation.models import Simulation, StoredImage
from apps.simulation.text import validate_line, validate_text
from orchestration.models.append_only import AppendOnlyModel, AppendOnlyQuerySet

if TYPE_CHECKING:
    from apps.accounts.models import User

CASE_FIELDS = (
    "sim_patient_full_name",
    "diagnosis",
    "chief_complaint",
    "scenario",
    "instructions",
    "modifiers",
    "findings",
    "time_limit",
    "model",
)
"""What a scenario hands to each simulation that is started from it."""


class ScenarioTemplateQuerySet(OwnedQuerySet["ScenarioTemplate"]):
    """Who may see a scenario sees it as its author does, with diagnosis and findings."""

    resource = Resource.SCENARIO
    owner = "owner"

    def usable(self) -> Self:
        """Not archived."""
        return self.filter(archived_at__isnull=True)

    def startable_by(self, user: User) -> Self:
        """Usable ones that this user may start for herself: open to everybody, or written or readable by her."""
        return self.usable().filter(Q(is_open=True) | Q(pk__in=self.visible_to(user).values("pk")))


class ScenarioTemplate(models.Model):
    """A case that simulations are started from. A simulation keeps its own copy: editing changes no running one."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(
        max_length=64, unique=True, validators=[validate_slug], help_text="Short name; imports go by it."
    )
    title = models.CharField(max_length=150, validators=[validate_line])
    summary = models.TextField(
        blank=True, default="", validators=[validate_text], help_text="For trainees: no diagnosis here."
    )
    sim_patient_full_name = models.CharField("patient", max_length=100, validators=[validate_line])
    diagnosis = models.CharField(max_length=255, validators=[validate_line])
    chief_complaint = models.CharField(max_length=255, blank=True, default="", validators=[validate_line])
    scenario = models.TextField(blank=True, default="", validators=[validate_text], help_text="What happened so far.")
    instructions = models.TextField(
        blank=True, default="", validators=[validate_text], help_text="How the patient should be played."
    )
    modifiers = models.JSONField(
        default=list, blank=True, validators=[validate_modifiers], help_text="What makes the patient difficult, a list."
    )
    findings = models.JSONField(
        default=list, blank=True, validators=[validate_findings], help_text="Results that are found when asked for."
    )
    time_limit = models.DurationField(null=True, blank=True)
    model = models.CharField(max_length=128, blank=True, default="", help_text="Empty: the client's model.")
    is_open = models.BooleanField(default=False, help_text="Every trainee may start it without an assignment.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="scenarios"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = ScenarioTemplateQuerySet.as_manager()

    class Meta:
        db_table = "scenario_template"
        ordering = ("title", "id")

    def __str__(self) -> str:
        return self.title

    def case(self) -> dict[str, Any]:
        """The fields of a simulation that is started from this scenario."""
        return {name: getattr(self, name) for name in CASE_FIELDS}


class ScenarioImage(StoredImage):
    """A picture that the patient of this scenario can show."""

    template = models.ForeignKey(ScenarioTemplate, on_delete=models.CASCADE, related_name="images")

    class Meta:
        db_table = "scenario_image"
        ordering = ("id",)


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def visible_to(self, user: User) -> Self:
        """Trainees see their own, instructors all."""
        everything = reach(user, Action.VIEW, Resource.SESSION) is Reach.ANY
        return self if everything else self.filter(trainee=user)

    def open(self) -> Self:
        """Not started and not withdrawn."""
        return self.filter(simulation__isnull=True, withdrawn_at__isnull=True)


class Assignment(models.Model):
    """A scenario that a trainee is to play; starting it makes the one simulation of this assignment."""

    template = models.ForeignKey(ScenarioTemplate, on_delete=models.PROTECT, related_name="assignments")
    trainee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="assignments")
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    message = models.TextField(blank=True, default="", validators=[validate_text], help_text="For the trainee.")
    due_at = models.DateTimeField(null=True, blank=True)
    simulation = models.OneToOneField(
        Simulation, null=True, blank=True, on_delete=models.SET_NULL, related_name="assignment", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        db_table = "assignment"
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("template", "trainee"),
                condition=Q(simulation__isnull=True, withdrawn_at__isnull=True),
                name="assignment_open_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.template} for {self.trainee}"


class TrainerSession(models.Model):
    """A simulation as instructors see it: where it came from, and who directs it."""

    simulation = models.OneToOneField(Simulation, on_delete=models.CASCADE, related_name="trainer_session")
    template = models.ForeignKey(
        ScenarioTemplate, null=True, blank=True, on_delete=models.SET_NULL, related_name="sessions"
    )
    instructor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "trainer_session"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"session of simulation {self.simulation_id}"


class CommandKind(models.TextChoices):
    """What an instructor can let happen in a session."""

    EVENT = "event"  # text: everybody reads it, the patient knows it
    DIRECTION = "direction"  # text: only the patient knows it
    FINDING = "finding"  # a finding, see apps.simulation.cases
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


class SessionEvent(AppendOnlyModel):
    """A command of an instructor that was carried out. Append-only, and each command key once per session."""

    session = models.ForeignKey(TrainerSession, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=16, choices=CommandKind)
    command_key = models.CharField(max_length=64)
    data = models.JSONField(default=dict)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

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
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "instructor_note"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"note {self.pk} on session {self.session_id}"
