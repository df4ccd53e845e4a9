"""The debriefing of a simulation, and the questions that were asked about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from apps.simulation.models.events import SimulationEvent
from apps.simulation.models.kinds import EventKind
from apps.simulation.models.simulations import Simulation
from orchestration.models import ServiceCallRecord
from orchestration.models.calls import call_brings_nothing


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


class QuestionStatus(models.TextChoices):
    """pending → answered | failed; failed → pending by a retry."""

    PENDING = "pending"
    ANSWERED = "answered"
    FAILED = "failed"


class FeedbackQuestionQuerySet(models.QuerySet["FeedbackQuestion"]):
    def overdue(self) -> FeedbackQuestionQuerySet:
        """Pending, but the call ended without an answer: failed, cancelled, or it could not be stored."""
        return self.filter(call_brings_nothing(), status=QuestionStatus.PENDING)


class FeedbackQuestion(models.Model):
    """A question about the feedback, and its answer."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="feedback_questions")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    question = models.TextField()
    answer = models.TextField(blank=True, default="")
    status = models.CharField(max_length=16, choices=QuestionStatus, default=QuestionStatus.PENDING)
    failure_code = models.CharField(max_length=64, blank=True, default="")
    call = models.ForeignKey(
        ServiceCallRecord, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    client_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - null: none given
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    answered_at = models.DateTimeField(null=True, blank=True)

    objects = FeedbackQuestionQuerySet.as_manager()

    class Meta:
        db_table = "feedback_question"
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("simulation", "client_id"),
                condition=Q(client_id__isnull=False),
                name="feedback_question_client_id_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=QuestionStatus.values), name="feedback_question_status_known"
            ),
            models.CheckConstraint(
                condition=~Q(status=QuestionStatus.ANSWERED) | ~Q(answer=""), name="feedback_question_answered"
            ),
        )
        indexes = (
            models.Index(
                fields=("call",), condition=Q(status=QuestionStatus.PENDING), name="feedback_question_pending"
            ),
        )

    def __str__(self) -> str:
        return f"question {self.pk} about the feedback on simulation {self.simulation_id}"

    # --- transitions: each says whether it happened ---------------------------------------------

    def answered(self, answer: str, now: datetime | None = None) -> bool:
        """pending | failed → answered: a late answer still counts."""
        return self._move(
            (QuestionStatus.PENDING, QuestionStatus.FAILED),
            status=QuestionStatus.ANSWERED,
            answer=answer,
            answered_at=now or timezone.now(),
            failure_code="",
        )

    def fail(self, code: str) -> bool:
        """pending → failed."""
        return self._move((QuestionStatus.PENDING,), status=QuestionStatus.FAILED, failure_code=code)

    def ask_again(self) -> bool:
        """failed → pending."""
        return self._move((QuestionStatus.FAILED,), status=QuestionStatus.PENDING, failure_code="")

    def _move(self, from_: tuple[QuestionStatus, ...], **changes: Any) -> bool:
        """Compare-and-set on `status`; the instance follows the row."""
        with transaction.atomic():
            if FeedbackQuestion.objects.filter(pk=self.pk, status__in=from_).update(**changes) != 1:
                self.refresh_from_db(fields=["status"])
                return False
            for name, value in changes.items():
                setattr(self, name, value)
            self.tell()
        return True

    def tell(self) -> None:
        """Record where this question stands, in the caller's transaction."""
        told = {"id": self.pk, "status": self.status}
        SimulationEvent.objects.record(self.simulation_id, EventKind.QUESTION, told)
