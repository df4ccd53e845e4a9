"""A simulation, what is known about its patient, and the feedback on it."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.accounts.roles import Action, Reach, Resource, reach
from apps.simulation.text import validate_line, validate_text
from orchestration.models import ServiceCallRecord

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from apps.accounts.models import User


class SimulationStatus(models.TextChoices):
    """preparing → running | failed, failed → preparing (retry), running → ended."""

    PREPARING = "preparing"
    RUNNING = "running"
    FAILED = "failed"
    ENDED = "ended"


class SimulationQuerySet(models.QuerySet["Simulation"]):
    def visible_to(self, user: User) -> Self:
        """What the user's role lets it see."""
        return self._within(reach(user, Action.VIEW, Resource.SIMULATION), user)

    def changeable_by(self, user: User) -> Self:
        """What the user's role lets it post to, end and retry."""
        return self._within(reach(user, Action.CHANGE, Resource.SIMULATION), user)

    def _within(self, allowed: Reach, user: User) -> Self:
        if allowed is Reach.ANY:
            return self
        return self.filter(user=user) if allowed is Reach.OWN else self.none()

    def stalled(self) -> Self:
        """Preparing, but the first call ended without a result: failed, cancelled, or it could not be stored."""
        calls = ServiceCallRecord.objects
        without_result = calls.finished().filter(result__isnull=True)
        return self.filter(
            Q(initial_call__in=without_result) | Q(initial_call__in=calls.dead()), status=SimulationStatus.PREPARING
        )

    def locked(self, pk: int) -> Simulation:
        """The simulation, its row locked until the caller's transaction ends: whoever takes a sequence or changes
        the state of a message holds this lock first. Simulation.DoesNotExist otherwise."""
        return self.select_for_update(no_key=True).get(pk=pk)


class Simulation(models.Model):
    """One session of a trainee with a simulated patient."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="simulations", db_index=False
    )
    sim_patient_full_name = models.CharField("patient", max_length=100, validators=[validate_line])
    diagnosis = models.CharField(max_length=255, blank=True, default="", validators=[validate_line])
    chief_complaint = models.CharField(max_length=255, blank=True, default="", validators=[validate_line])
    scenario = models.TextField(blank=True, default="", validators=[validate_text], help_text="What happened so far.")
    instructions = models.TextField(
        blank=True, default="", validators=[validate_text], help_text="How the patient should be played."
    )
    model = models.CharField(max_length=128, blank=True, default="", help_text="Empty: the client's model.")
    time_limit = models.DurationField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=SimulationStatus, default=SimulationStatus.PREPARING)
    failure_code = models.CharField(max_length=64, blank=True, default="")
    initial_call = models.ForeignKey(
        ServiceCallRecord, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    """Brings the patient's first message."""
    next_sequence = models.PositiveIntegerField(default=1, editable=False)
    metadata_checksum = models.CharField(max_length=64, blank=True, default="", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = SimulationQuerySet.as_manager()

    if TYPE_CHECKING:
        metadata: RelatedManager[SimulationMetadata]

    class Meta:
        db_table = "simulation"
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(status__in=SimulationStatus.values), name="simulation_status_known"),
            models.CheckConstraint(condition=Q(next_sequence__gte=1), name="simulation_sequence_positive"),
            models.CheckConstraint(
                condition=Q(status=SimulationStatus.ENDED, ended_at__isnull=False)
                | (~Q(status=SimulationStatus.ENDED) & Q(ended_at__isnull=True)),
                name="simulation_ended_has_time",
            ),
        )
        indexes = (
            models.Index(fields=("user", "-id"), name="simulation_owner_newest"),
            models.Index(
                fields=("initial_call",),
                condition=Q(status=SimulationStatus.PREPARING),
                name="simulation_preparing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.sim_patient_full_name} ({self.get_status_display()})"

    @property
    def ordering_key(self) -> str:
        """Calls about one simulation run strictly one after the other."""
        return f"simulation:{self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.status == SimulationStatus.ENDED

    def take_sequences(self, count: int = 1) -> int:
        """Reserve `count` consecutive message numbers and return the first; call it on a `locked()` simulation only."""
        first = self.next_sequence
        self.next_sequence = first + count
        self.save(update_fields=["next_sequence"])
        return first

    # --- transitions: each says whether it happened -------------------------------------------

    def begin(self, now: datetime | None = None) -> bool:
        """preparing | failed → running: the patient said something."""
        return self._move(
            (SimulationStatus.PREPARING, SimulationStatus.FAILED),
            status=SimulationStatus.RUNNING,
            started_at=self.started_at or now or timezone.now(),
            failure_code="",
        )

    def fail(self, code: str) -> bool:
        """preparing → failed."""
        return self._move((SimulationStatus.PREPARING,), status=SimulationStatus.FAILED, failure_code=code)

    def prepare_again(self) -> bool:
        """failed → preparing."""
        return self._move((SimulationStatus.FAILED,), status=SimulationStatus.PREPARING, failure_code="")

    def end(self, now: datetime | None = None) -> bool:
        """Any → ended; False when it had ended before."""
        return self._move(
            tuple(status for status in SimulationStatus if status is not SimulationStatus.ENDED),
            status=SimulationStatus.ENDED,
            ended_at=now or timezone.now(),
        )

    def _move(self, from_: tuple[SimulationStatus, ...], **changes: Any) -> bool:
        """Compare-and-set on `status`; the instance follows the row."""
        if Simulation.objects.filter(pk=self.pk, status__in=from_).update(**changes) != 1:
            self.refresh_from_db(fields=["status"])
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True

    # --- metadata -------------------------------------------------------------------------------

    def refresh_metadata_checksum(self) -> str:
        """Store and return the SHA-256 over all metadata, which changes exactly when they do."""
        rows = self.metadata.order_by("key").values_list("kind", "key", "value", "extra")
        content = json.dumps([list(row) for row in rows], sort_keys=True, separators=(",", ":"))
        self.metadata_checksum = hashlib.sha256(content.encode()).hexdigest()
        self.save(update_fields=["metadata_checksum"])
        return self.metadata_checksum


class MetadataKind(models.TextChoices):
    DEMOGRAPHICS = "demographics"
    HISTORY = "history"
    LAB_RESULT = "lab_result"
    RADIOLOGY_RESULT = "radiology_result"


class SimulationMetadata(models.Model):
    """One fact about the patient. `extra` holds what a kind adds: unit, reference range and flag of a lab result."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="metadata")
    kind = models.CharField(max_length=32, choices=MetadataKind)
    key = models.CharField(max_length=255)
    value = models.TextField(blank=True, default="")
    extra = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "simulation_metadata"
        ordering = ("kind", "key")
        verbose_name_plural = "simulation metadata"
        constraints = (
            models.UniqueConstraint(fields=("simulation", "key"), name="simulation_metadata_once"),
            models.CheckConstraint(condition=Q(kind__in=MetadataKind.values), name="simulation_metadata_kind_known"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}"


class SimulationFeedback(models.Model):
    """The debriefing ("hotwash") of a simulation, one row per generated version, the newest the one that counts."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="feedback")
    call = models.ForeignKey(
        ServiceCallRecord, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    correct_diagnosis = models.BooleanField()
    correct_treatment_plan = models.BooleanField()
    patient_experience = models.PositiveSmallIntegerField(help_text="0 to 5.")
    overall_feedback = models.TextField()
    metrics = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "simulation_feedback"
        ordering = ("-id",)
        verbose_name_plural = "simulation feedback"
        constraints = (
            models.CheckConstraint(condition=Q(patient_experience__lte=5), name="feedback_experience_in_range"),
        )

    def __str__(self) -> str:
        return f"feedback on simulation {self.simulation_id}"
