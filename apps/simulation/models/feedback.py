"""The feedback on a simulation, and the questions about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q

from apps.simulation.models.event_types import EventKind
from apps.simulation.models.events import SimulationEvent
from apps.simulation.models.simulations import Simulation
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import call_gave_no_result
from orchestration.models.compare_and_set import CompareAndSet
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField


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
    metrics = StoredJSONField(default=dict, blank=True)
    diagnosis_named = models.TextField(blank=True, default="", db_default="")
    """What the trainee said it is; empty when nothing was named."""
    rubric = StoredJSONField(default=list, db_default=[], blank=True)
    """Rows `{criterion, rating, comment, messages}`; the rating is `met`, `partly` or `missed`, messages by number."""
    next_time = StoredJSONField(default=list, db_default=[], blank=True)
    """What to do next time, one sentence each."""
    created_at = MomentField(default=database_now, editable=False)

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
        return self.filter(call_gave_no_result(), status=QuestionStatus.PENDING)


class FeedbackQuestion(CompareAndSet):
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
    created_at = MomentField(default=database_now, editable=False)
    answered_at = MomentField(null=True, blank=True)

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
            answered_at=now or database_now(),
            failure_code="",
        )

    @classmethod
    def fail_all(cls, questions: Sequence[FeedbackQuestion], code: str) -> int:
        """pending → failed, with events, of questions whose simulations' rows the caller has locked; how many."""
        changes = {"status": QuestionStatus.FAILED, "failure_code": code}
        failed = cls.compare_and_set_all(questions, "status", (QuestionStatus.PENDING,), **changes)
        events = [(question.simulation_id, question._event_data()) for question in failed]
        SimulationEvent.objects.record_all(EventKind.QUESTION, events)
        return len(failed)

    def ask_again(self) -> bool:
        """failed → pending."""
        return self._move((QuestionStatus.FAILED,), status=QuestionStatus.PENDING, failure_code="")

    def _move(self, from_: tuple[QuestionStatus, ...], **changes: Any) -> bool:
        """Compare-and-set, with an event."""
        with transaction.atomic():
            if not self.compare_and_set("status", from_, **changes):
                return False
            self.record_event()
        return True

    def record_event(self) -> None:
        """Record the state of this question as an event, in the caller's transaction."""
        SimulationEvent.objects.record(self.simulation_id, EventKind.QUESTION, self._event_data())

    def _event_data(self) -> dict[str, Any]:
        return {"id": self.pk, "status": self.status}
