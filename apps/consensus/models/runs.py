"""A run and its steps. Every change of either is made under the run's row lock and adds an event."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models.ownership import OwnedQuerySet
from apps.accounts.models.roles import Resource, Scope
from apps.consensus.decision.personas import PERSONA_IDS
from apps.consensus.decision.verdict import Label
from apps.consensus.models.prompts import PromptSet
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.compare_and_set import CompareAndSet
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField
from persistence.models.fields import CounterField, NumberField

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from apps.accounts.models import User
    from apps.consensus.models.results import Decision, PersonaReview, ProposalVersion

EXPAND = "expand"
AGGREGATE = "aggregate_decision"
REVIEW = "review_"
STEPS = (EXPAND, *(f"{REVIEW}{persona}" for persona in PERSONA_IDS), AGGREGATE)
MAX_IDEA = 10_000
ERROR_LENGTH = 500


class RunStatus(models.TextChoices):
    """queued → running → completed | failed | cancelled; failed | cancelled → running by a retry."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
RETRYABLE = (RunStatus.FAILED, RunStatus.CANCELLED)


class RunType(models.TextChoices):
    INITIAL = "initial"
    REVISION = "revision"


class Priority(models.TextChoices):
    NORMAL = "normal"
    HIGH = "high"


class StepStatus(models.TextChoices):
    """pending → running → completed | failed; failed → pending by a retry."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


UNDER_WAY = (StepStatus.PENDING, StepStatus.RUNNING)


class RunQuerySet(OwnedQuerySet["Run"]):
    """Who may change a run may retry, cancel and revise it."""

    resource = Resource.RUN

    def readable_by(self, user: User, scopes: Collection[str]) -> Self:
        """Own runs; with the scope content:read also those of others."""
        rows = self.visible_to(user)
        return rows if Scope.CONTENT_READ in scopes else rows.filter(user=user)

    def locked(self, pk: uuid.UUID | str) -> Run:
        """The run, its row locked until the caller's transaction ends; Run.DoesNotExist otherwise."""
        return self.select_for_update(no_key=True).get(pk=pk)

    def open(self) -> Self:
        """Queued or running."""
        return self.filter(status__in=OPEN)


class Run(CompareAndSet):
    """The review of one idea, up to its decision."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="runs", db_index=False
    )
    status = models.CharField(max_length=16, choices=RunStatus, default=RunStatus.QUEUED)
    input_idea = models.TextField()
    extra_context = StoredJSONField(null=True, blank=True)
    run_type = models.CharField(max_length=16, choices=RunType, default=RunType.INITIAL)
    parent_run = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="revisions")
    edited_proposal = StoredJSONField(null=True, blank=True)
    """What the person changed, text or fields of the proposal; of a revision only."""
    edit_notes = models.TextField(blank=True, default="")
    model = models.CharField(max_length=128)
    temperature = models.DecimalField(max_digits=3, decimal_places=2)
    parameters_json = StoredJSONField(default=dict)
    priority = models.CharField(max_length=8, choices=Priority, default=Priority.NORMAL)
    overall_weighted_confidence = models.DecimalField(max_digits=5, decimal_places=4, null=True, blank=True)
    decision_label = models.CharField(  # noqa: DJ001 - null until it is decided
        max_length=16, choices=[(label.value, label.value) for label in Label], null=True, blank=True
    )
    schema_version = models.CharField(max_length=32)
    prompt_set = models.ForeignKey(PromptSet, on_delete=models.PROTECT, related_name="runs")
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_context = StoredJSONField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null: none given
    request_fingerprint = models.CharField(max_length=64, blank=True, default="")
    last_event = CounterField(default=0, editable=False)
    created_at = MomentField(default=database_now, editable=False)
    updated_at = MomentField(auto_now=True)
    started_at = MomentField(null=True, blank=True)
    finished_at = MomentField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    if TYPE_CHECKING:
        steps: RelatedManager[StepProgress]
        events: RelatedManager[RunEvent]
        reviews: RelatedManager[PersonaReview]
        proposal: ProposalVersion
        decision: Decision

    class Meta:
        db_table = "consensus_run"
        ordering = ("-created_at", "-id")
        permissions = (("operate_run", "Can retry, cancel and revise everybody's runs"),)
        constraints = (
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="run_status_known"),
            models.CheckConstraint(condition=Q(run_type__in=RunType.values), name="run_type_known"),
            models.CheckConstraint(condition=Q(priority__in=Priority.values), name="run_priority_known"),
            models.CheckConstraint(
                condition=Q(temperature__gte=0, temperature__lte=2), name="run_temperature_between_0_and_2"
            ),
            models.CheckConstraint(
                condition=Q(overall_weighted_confidence__isnull=True)
                | Q(overall_weighted_confidence__gte=0, overall_weighted_confidence__lte=1),
                name="run_confidence_between_0_and_1",
            ),
            models.CheckConstraint(
                condition=~Q(status=RunStatus.COMPLETED)
                | Q(decision_label__isnull=False, overall_weighted_confidence__isnull=False),
                name="run_completed_is_decided",
            ),
            models.UniqueConstraint(
                fields=("user", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
                name="run_idempotency_by_user",
            ),
        )
        indexes = (
            models.Index(fields=("user", "-created_at", "-id"), name="run_owner_newest"),
            models.Index(fields=("-created_at", "-id"), name="run_newest"),
        )

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def prompt_set_version(self) -> str:
        return self.prompt_set.version

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def can_be_retried(self) -> bool:
        return self.status in RETRYABLE

    @property
    def can_be_revised(self) -> bool:
        return self.status == RunStatus.COMPLETED

    def ordered_steps(self) -> list[StepProgress]:
        """All seven, in the order they are done."""
        return list(self.steps.order_by("position"))

    # --- transitions, on a `locked()` run: each says whether it happened ----------------------

    def begin(self) -> bool:
        """queued → running."""
        return self._move((RunStatus.QUEUED,), status=RunStatus.RUNNING, started_at=self.started_at or database_now())

    def complete(self, confidence: Decimal, label: str) -> bool:
        """queued | running → completed."""
        return self._move(
            OPEN,
            status=RunStatus.COMPLETED,
            overall_weighted_confidence=confidence,
            decision_label=label,
            finished_at=database_now(),
            error_code="",
            error_context=None,
        )

    def fail(self, code: str, context: dict[str, Any]) -> bool:
        """queued | running → failed."""
        return self._move(
            OPEN, status=RunStatus.FAILED, error_code=code, error_context=context, finished_at=database_now()
        )

    def mark_cancelled(self) -> bool:
        """queued | running → cancelled."""
        return self._move(OPEN, status=RunStatus.CANCELLED, error_code="CANCELLED", finished_at=database_now())

    def resume(self) -> bool:
        """failed | cancelled → running."""
        return self._move(RETRYABLE, status=RunStatus.RUNNING, error_code="", error_context=None, finished_at=None)

    def _move(self, from_: tuple[RunStatus, ...], **changes: Any) -> bool:
        """Compare-and-set, with an event."""
        if not self.compare_and_set("status", from_, updated_at=database_now(), **changes):
            return False
        self.add_event("run", {"status": self.status, "error_code": self.error_code, "decision": self.decision_label})
        return True

    def add_event(self, kind: str, data: dict[str, Any]) -> None:
        """Append an event; the lock on the run makes their numbers gapless and their order the order of commits."""
        self.last_event += 1
        Run.objects.filter(pk=self.pk).update(last_event=self.last_event)
        RunEvent.objects.create(run=self, sequence=self.last_event, kind=kind, data=data)


class StepProgress(CompareAndSet):
    """The state of one of the seven steps. `call` is its service call; the aggregate has none."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps", db_index=False)
    step = models.CharField(max_length=64)
    position = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=16, choices=StepStatus, default=StepStatus.PENDING)
    call = models.ForeignKey(
        ServiceCallRecord, null=True, blank=True, on_delete=models.SET_NULL, related_name="consensus_steps"
    )
    attempt_count = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error = models.CharField(max_length=ERROR_LENGTH, blank=True, default="")
    started_at = MomentField(null=True, blank=True)
    completed_at = MomentField(null=True, blank=True)

    class Meta:
        db_table = "consensus_step"
        ordering = ("run", "position")
        verbose_name_plural = "step progress"
        constraints = (
            models.UniqueConstraint(fields=("run", "step"), name="step_once_in_a_run"),
            models.CheckConstraint(condition=Q(status__in=StepStatus.values), name="step_status_known"),
        )
        indexes = (models.Index(fields=("call",), condition=Q(status__in=UNDER_WAY), name="step_under_way"),)

    def __str__(self) -> str:
        return f"{self.step} of {self.run_id}"

    @property
    def persona_id(self) -> str | None:
        """Of a review."""
        return self.step.removeprefix(REVIEW) if self.step.startswith(REVIEW) else None

    # --- transitions, on a `locked()` run: each says whether it happened ----------------------

    def begin(self, attempt: int) -> bool:
        """pending | running → running: another attempt was sent."""
        return self._move(
            (StepStatus.PENDING, StepStatus.RUNNING),
            status=StepStatus.RUNNING,
            attempt_count=attempt,
            started_at=self.started_at or database_now(),
        )

    def complete(self, attempt: int) -> bool:
        """Whatever but completed → completed: a late result still counts."""
        now = database_now()
        return self._move(
            (StepStatus.PENDING, StepStatus.RUNNING, StepStatus.FAILED),
            status=StepStatus.COMPLETED,
            attempt_count=attempt,
            started_at=self.started_at or now,
            completed_at=now,
            error="",
            error_code="",
        )

    def fail(self, code: str, reason: str, attempts: int) -> bool:
        """pending | running → failed."""
        return self._move(
            (StepStatus.PENDING, StepStatus.RUNNING),
            status=StepStatus.FAILED,
            attempt_count=attempts,
            error_code=code,
            error=reason[:ERROR_LENGTH],
            completed_at=database_now(),
        )

    def reset(self) -> bool:
        """failed → pending."""
        return self._move(
            (StepStatus.FAILED,),
            status=StepStatus.PENDING,
            error="",
            error_code="",
            started_at=None,
            completed_at=None,
        )

    def _move(self, from_: tuple[StepStatus, ...], **changes: Any) -> bool:
        if not self.compare_and_set("status", from_, **changes):
            return False
        self.run.add_event("step", self.described())
        return True

    def described(self) -> dict[str, Any]:
        """For an event: states, codes and times; no content."""
        return {
            "step": self.step,
            "status": self.status,
            "attempt_count": self.attempt_count,
            "error_code": self.error_code,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "completed_at": self.completed_at.isoformat() if self.completed_at else None,
        }


class RunEvent(models.Model):
    """One change of a run or of a step, numbered within its run from 1 on."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events", db_index=False)
    sequence = NumberField()
    kind = models.CharField(max_length=16)
    data = StoredJSONField()
    created_at = MomentField(default=database_now)

    class Meta:
        db_table = "consensus_run_event"
        ordering = ("run", "sequence")
        constraints = (models.UniqueConstraint(fields=("run", "sequence"), name="run_event_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.sequence} of {self.run_id}"
