"""`Simulation`: a session of a trainee with a simulated patient, its states and its counters."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q

from apps.accounts.models.ownership import OwnedQuerySet
from apps.accounts.models.roles import Resource
from apps.simulation.fields import validate_line, validate_text
from apps.simulation.models.case_details import CaseDetails
from apps.simulation.models.cases import validate_findings, validate_modifiers
from apps.simulation.models.event_types import EventKind
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import call_gave_no_result
from orchestration.models.compare_and_set import CompareAndSet
from orchestration.values.moments import LengthField, MomentField
from orchestration.values.stored_json import StoredJSONField
from persistence.models.fields import CounterField

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from apps.simulation.models.events import SimulationEventQuerySet
    from apps.simulation.models.feedback import SimulationFeedback
    from apps.simulation.models.images import SimulationImage
    from apps.simulation.models.metadata import SimulationMetadata


class SimulationStatus(models.TextChoices):
    """preparing → running | failed, failed → preparing (retry), running ↔ paused, any → ended."""

    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    ENDED = "ended"


class FeedbackStatus(models.TextChoices):
    """none → pending → ready | failed; ready and failed → pending when it is regenerated."""

    NONE = "none"
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class SimulationQuerySet(OwnedQuerySet["Simulation"]):
    """Who may change a simulation may post to it, end it and retry it."""

    resource = Resource.SIMULATION

    def played(self) -> Self:
        """Without the previews of authors."""
        return self.filter(is_preview=False)

    def stalled(self) -> Self:
        """Preparing, but the first call ended without a result: failed, cancelled, or it could not be stored."""
        return self.filter(call_gave_no_result("initial_call"), status=SimulationStatus.PREPARING)

    def without_feedback(self) -> Self:
        """Feedback is pending, but its call ended without one."""
        return self.filter(call_gave_no_result("feedback_call"), feedback_status=FeedbackStatus.PENDING)

    def over_time(self, now: datetime | None = None) -> Self:
        """Running, and their time is up."""
        return self.filter(status=SimulationStatus.RUNNING, ends_at__lte=now or database_now())

    def locked(self, pk: int) -> Simulation:
        """The simulation, its row locked until the caller's transaction ends: whoever takes a sequence or changes
        the state of a message holds this lock first. Simulation.DoesNotExist otherwise."""
        return self.select_for_update(no_key=True).get(pk=pk)

    def lock(self, pks: Collection[int]) -> None:
        """Lock the rows of many like `locked`, in the order of their keys: two who do so never wait for each other."""
        rows = self.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk")
        list(rows.values_list("pk"))


class Simulation(CompareAndSet, CaseDetails):
    """One session of a trainee with a simulated patient."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="simulations", db_index=False
    )
    sim_patient_full_name = models.CharField("patient", max_length=100, validators=[validate_line])
    diagnosis = models.CharField(max_length=255, blank=True, default="", validators=[validate_line])
    chief_complaint = models.CharField(max_length=255, blank=True, default="", validators=[validate_line])
    scenario = models.TextField(blank=True, default="", validators=[validate_text], help_text="What has happened.")
    instructions = models.TextField(
        blank=True, default="", validators=[validate_text], help_text="How the patient should be played."
    )
    model = models.CharField(max_length=128, blank=True, default="", help_text="Empty: the client's model.")
    modifiers = StoredJSONField(
        default=list, blank=True, validators=[validate_modifiers], help_text="What makes the patient difficult, a list."
    )
    findings = StoredJSONField(
        default=list, blank=True, validators=[validate_findings], help_text="Results that are found when asked for."
    )
    time_limit = LengthField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=SimulationStatus, default=SimulationStatus.PREPARING)
    failure_code = models.CharField(max_length=64, blank=True, default="")
    initial_call = models.ForeignKey(
        ServiceCallRecord, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    """Brings the patient's first message."""
    feedback_status = models.CharField(
        max_length=16, choices=FeedbackStatus, default=FeedbackStatus.NONE, editable=False
    )
    feedback_failure_code = models.CharField(max_length=64, blank=True, default="", editable=False)
    feedback_call = models.ForeignKey(
        ServiceCallRecord, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    """Makes the newest feedback."""
    next_sequence = CounterField(default=1, editable=False)
    next_event = CounterField(default=1, editable=False)
    metadata_checksum = models.CharField(max_length=64, blank=True, default="", editable=False)
    is_preview = models.BooleanField(default=False, db_default=False, editable=False)
    """An author tries a scenario with it; no list shows it."""
    created_at = MomentField(default=database_now, editable=False)
    started_at = MomentField(null=True, blank=True)
    ends_at = MomentField(null=True, blank=True, editable=False)
    """When the time is up; a pause moves it."""
    paused_at = MomentField(null=True, blank=True, editable=False)
    ended_at = MomentField(null=True, blank=True)

    objects = SimulationQuerySet.as_manager()

    if TYPE_CHECKING:
        metadata: RelatedManager[SimulationMetadata]
        events: SimulationEventQuerySet
        feedback: RelatedManager[SimulationFeedback]
        images: RelatedManager[SimulationImage]

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
            models.CheckConstraint(
                condition=Q(status=SimulationStatus.PAUSED, paused_at__isnull=False)
                | (~Q(status=SimulationStatus.PAUSED) & Q(paused_at__isnull=True)),
                name="simulation_paused_has_time",
            ),
            models.CheckConstraint(
                condition=Q(feedback_status__in=FeedbackStatus.values), name="simulation_feedback_status_known"
            ),
            models.CheckConstraint(condition=Q(next_event__gte=1), name="simulation_event_number_positive"),
        )
        indexes = (
            models.Index(fields=("user", "-id"), name="simulation_owner_newest"),
            models.Index(
                fields=("initial_call",),
                condition=Q(status=SimulationStatus.PREPARING),
                name="simulation_preparing",
            ),
            models.Index(
                fields=("feedback_call",),
                condition=Q(feedback_status=FeedbackStatus.PENDING),
                name="simulation_feedback_pending",
            ),
            models.Index(
                fields=("ends_at",), condition=Q(status=SimulationStatus.RUNNING), name="simulation_time_limit"
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

    def take_sequence(self, last: int) -> int:
        """The number after `last`, the newest message's: the number of a reverted message is used again.

        Call it on a `locked()` simulation only.
        """
        self.next_sequence = last + 2
        self.save(update_fields=["next_sequence"])
        return last + 1

    @property
    def is_over_time(self) -> bool:
        """Its time is up, whether or not the sweep has already ended it."""
        return not self.has_ended and self.ends_at is not None and self.ends_at <= database_now()

    def end_under_limit(self, before: timedelta | None) -> datetime | None:
        """When the time is up under `time_limit`, which was `before`; the time of earlier pauses is kept."""
        if self.time_limit is None or self.started_at is None:
            return None
        if before is None or self.ends_at is None:
            return self.started_at + self.time_limit
        return self.ends_at + (self.time_limit - before)

    @property
    def last_event(self) -> int:
        """The number of the newest event, 0 when nothing happened: a page that shows this state continues after it."""
        return self.next_event - 1

    # --- transitions: each says whether it happened -------------------------------------------

    def begin(self, now: datetime | None = None) -> bool:
        """preparing | failed → running: the patient said something, and the time starts."""
        moment = self.started_at or now or database_now()
        return self._move(
            (SimulationStatus.PREPARING, SimulationStatus.FAILED),
            status=SimulationStatus.RUNNING,
            started_at=moment,
            ends_at=None if self.time_limit is None else moment + self.time_limit,
            failure_code="",
        )

    @classmethod
    def fail_all(cls, simulations: Sequence[Simulation], code: str) -> list[Simulation]:
        """preparing → failed, of simulations whose rows the caller has locked; those that failed, whose events the
        caller records."""
        changes = {"status": SimulationStatus.FAILED, "failure_code": code}
        return cls.compare_and_set_all(simulations, "status", (SimulationStatus.PREPARING,), **changes)

    def prepare_again(self) -> bool:
        """failed → preparing."""
        return self._move((SimulationStatus.FAILED,), status=SimulationStatus.PREPARING, failure_code="")

    def pause(self, now: datetime | None = None) -> bool:
        """running → paused: nothing can be posted, and the clock is stopped."""
        return self._move((SimulationStatus.RUNNING,), status=SimulationStatus.PAUSED, paused_at=now or database_now())

    def resume(self, now: datetime | None = None) -> bool:
        """paused → running, with the time that was left; call it on a `locked()` simulation only."""
        moment = now or database_now()
        ends_at = self.ends_at
        if ends_at is not None and self.paused_at is not None:
            ends_at += moment - self.paused_at
        return self._move((SimulationStatus.PAUSED,), status=SimulationStatus.RUNNING, paused_at=None, ends_at=ends_at)

    def end(self, now: datetime | None = None) -> bool:
        """Any → ended; False when it had ended before."""
        return self._move(
            tuple(status for status in SimulationStatus if status is not SimulationStatus.ENDED),
            status=SimulationStatus.ENDED,
            ended_at=now or database_now(),
            paused_at=None,
        )

    def expect_feedback(self, call: ServiceCallRecord) -> bool:
        """Any but pending → pending, by this call; False while feedback is being made."""
        return self._move_feedback(
            (FeedbackStatus.NONE, FeedbackStatus.READY, FeedbackStatus.FAILED),
            feedback_status=FeedbackStatus.PENDING,
            feedback_call=call,
            feedback_failure_code="",
        )

    def feedback_arrived(self) -> bool:
        """pending | failed → ready: late feedback still counts."""
        return self._move_feedback(
            (FeedbackStatus.PENDING, FeedbackStatus.FAILED),
            feedback_status=FeedbackStatus.READY,
            feedback_failure_code="",
        )

    @classmethod
    def fail_feedback_of_all(cls, simulations: Sequence[Simulation], code: str) -> list[Simulation]:
        """pending → failed, of simulations whose rows the caller has locked; those whose feedback failed, whose events
        the caller records."""
        changes = {"feedback_status": FeedbackStatus.FAILED, "feedback_failure_code": code}
        return cls.compare_and_set_all(simulations, "feedback_status", (FeedbackStatus.PENDING,), **changes)

    def _move(self, from_: tuple[SimulationStatus, ...], **changes: Any) -> bool:
        with transaction.atomic():
            moved = self.compare_and_set("status", from_, **changes)
            if moved:
                self.events.record(self.pk, EventKind.STATUS, self.status_data())
        return moved

    def status_data(self) -> dict[str, Any]:
        """What an event of its status says."""
        ends_at = self.ends_at.isoformat() if self.ends_at else None
        return {"status": self.status, "failure_code": self.failure_code, "ends_at": ends_at}

    def _move_feedback(self, from_: tuple[FeedbackStatus, ...], **changes: Any) -> bool:
        with transaction.atomic():
            moved = self.compare_and_set("feedback_status", from_, **changes)
            if moved:
                self.events.record(self.pk, EventKind.FEEDBACK, self.feedback_data())
        return moved

    def feedback_data(self) -> dict[str, Any]:
        """What an event of its feedback says."""
        return {"feedback_status": self.feedback_status, "failure_code": self.feedback_failure_code}

    # --- metadata -------------------------------------------------------------------------------

    def refresh_metadata_checksum(self) -> str:
        """Store and return the SHA-256 over all metadata, which changes exactly when they do."""
        rows = self.metadata.order_by("key").values_list("kind", "key", "value", "extra")
        content = json.dumps([list(row) for row in rows], sort_keys=True, separators=(",", ":"))
        checksum = hashlib.sha256(content.encode()).hexdigest()
        if checksum != self.metadata_checksum:
            with transaction.atomic():
                self.metadata_checksum = checksum
                self.save(update_fields=["metadata_checksum"])
                self.events.record(self.pk, EventKind.METADATA, {"checksum": checksum})
        return checksum
