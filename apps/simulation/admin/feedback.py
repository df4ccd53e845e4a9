"""Feedback and the questions about it in the console."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from apps.simulation.models import FeedbackQuestion, SimulationFeedback
from apps.simulation.models.feedback import QuestionStatus
from orchestration.admin.base import ReadOnlyAdmin
from persistence.provenance import ProvenanceMixin

QUESTION_COLOURS = {
    QuestionStatus.PENDING.label: "info",
    QuestionStatus.ANSWERED.label: "success",
    QuestionStatus.FAILED.label: "danger",
}


@admin.register(SimulationFeedback)
class SimulationFeedbackAdmin(ProvenanceMixin, ModelAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    list_display = (
        "simulation",
        "correct_diagnosis",
        "correct_treatment_plan",
        "patient_experience",
        "created_at",
    )
    list_select_related = ("simulation",)
    search_fields = ("simulation__sim_patient_full_name", "overall_feedback")
    readonly_fields = ("simulation", "call", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(FeedbackQuestion)
class FeedbackQuestionAdmin(ReadOnlyAdmin):
    list_display = ("id", "simulation", "question", "state", "asked_by", "created_at")
    list_filter = ("status", "created_at")
    list_select_related = ("simulation", "asked_by")
    list_defer = ("answer",)
    content_columns = ("question", "answer")
    shows_content = True
    search_fields = ("question", "simulation__sim_patient_full_name")

    @display(description="Status", ordering="status", label=QUESTION_COLOURS)
    def state(self, question: FeedbackQuestion) -> str:
        return question.get_status_display()
