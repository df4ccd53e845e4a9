"""Simulations, their metadata, pictures, events and feedback in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from apps.simulation.models import (
    FeedbackQuestion,
    FeedbackStatus,
    QuestionStatus,
    Simulation,
    SimulationEvent,
    SimulationFeedback,
    SimulationImage,
    SimulationMetadata,
    SimulationStatus,
)
from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.exact import ExactSearch, UuidSearch
from persistence.provenance import ProvenanceMixin

STATUS_COLOURS = {
    SimulationStatus.PREPARING.label: "info",
    SimulationStatus.RUNNING.label: "success",
    SimulationStatus.PAUSED.label: "primary",
    SimulationStatus.FAILED.label: "danger",
    SimulationStatus.ENDED.label: "warning",
}

FEEDBACK_COLOURS = {
    FeedbackStatus.PENDING.label: "info",
    FeedbackStatus.READY.label: "success",
    FeedbackStatus.FAILED.label: "danger",
}
QUESTION_COLOURS = {
    QuestionStatus.PENDING.label: "info",
    QuestionStatus.ANSWERED.label: "success",
    QuestionStatus.FAILED.label: "danger",
}


class MetadataInline(TabularInline):
    model = SimulationMetadata
    extra = 0
    fields = ("kind", "key", "value", "extra")
    show_change_link = True


@admin.register(Simulation)
class SimulationAdmin(UuidSearch, ProvenanceMixin, ModelAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """Cases can be corrected here; status, times and counters change only through the simulation itself."""

    list_display = (
        "id",
        "sim_patient_full_name",
        "user",
        "badge",
        "feedback",
        "chief_complaint",
        "created_at",
        "ended_at",
    )
    list_display_links = ("id", "sim_patient_full_name")
    list_filter = ("status", "feedback_status", "created_at")
    list_select_related = ("user",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("sim_patient_full_name", "chief_complaint", "diagnosis", "user__email")
    uuid_field = "uuid"
    search_help_text = "UUID, or words of the patient, complaint, diagnosis or user"
    inlines = (MetadataInline,)
    readonly_fields = (
        "uuid",
        "user",
        "status",
        "failure_code",
        "initial_call",
        "feedback_status",
        "feedback_failure_code",
        "feedback_call",
        "next_sequence",
        "next_event",
        "metadata_checksum",
        "created_at",
        "started_at",
        "ends_at",
        "paused_at",
        "ended_at",
    )
    fieldsets = (
        (None, {"fields": ("uuid", "user", "status", "failure_code", "initial_call")}),
        ("Patient", {"fields": ("sim_patient_full_name", "chief_complaint", "diagnosis")}),
        ("Case", {"fields": ("scenario", "instructions", "modifiers", "findings", "model", "time_limit")}),
        ("Feedback", {"fields": ("feedback_status", "feedback_failure_code", "feedback_call")}),
        (
            "Course",
            {
                "fields": (
                    "created_at",
                    "started_at",
                    "ends_at",
                    "paused_at",
                    "ended_at",
                    "next_sequence",
                    "next_event",
                    "metadata_checksum",
                )
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A simulation starts with its first call, through the API."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Only what was edited: a session goes on while its page is open here, and its counters with it."""
        changed = list(form.changed_data)
        if "time_limit" in changed:
            obj.ends_at = obj.end_under_limit(form.initial.get("time_limit"))
            changed.append("ends_at")
        if changed:
            obj.save(update_fields=changed)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        with transaction.atomic():
            Simulation.objects.locked(form.instance.pk).refresh_metadata_checksum()

    @display(description="Status", ordering="status", label=STATUS_COLOURS)
    def badge(self, simulation: Simulation) -> str:
        return simulation.get_status_display()

    @display(description="Feedback", ordering="feedback_status", label=FEEDBACK_COLOURS)
    def feedback(self, simulation: Simulation) -> str:
        return simulation.get_feedback_status_display()


@admin.register(SimulationMetadata)
class SimulationMetadataAdmin(ProvenanceMixin, ModelAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    list_display = ("simulation", "kind", "key", "value", "updated_at")
    list_filter = ("kind",)
    list_select_related = ("simulation",)
    search_fields = ("key", "value", "simulation__sim_patient_full_name")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Metadata are edited on their simulation, which keeps a checksum over them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


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
    search_fields = ("question", "simulation__sim_patient_full_name")

    @display(description="Status", ordering="status", label=QUESTION_COLOURS)
    def state(self, question: FeedbackQuestion) -> str:
        return question.get_status_display()


@admin.register(SimulationImage)
class SimulationImageAdmin(ProvenanceMixin, ReadOnlyAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    list_display = ("id", "simulation", "description", "content_type", "size", "uploaded_by", "revealed_at")
    list_select_related = ("simulation", "uploaded_by")
    list_filter = ("content_type", "created_at")
    search_fields = ("description", "simulation__sim_patient_full_name")
    exclude = ("file",)
    readonly_fields = ("uuid", "content_type", "width", "height", "size", "checksum", "created_at")


@admin.register(SimulationEvent)
class SimulationEventAdmin(ExactSearch, ReadOnlyAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """What the stream of a simulation told, row by row."""

    list_display = ("simulation", "sequence", "kind", "audience", "data", "created_at")
    list_display_links = ("simulation", "sequence")
    list_filter = ("kind", "audience")
    list_select_related = ("simulation",)
    search_fields = ("simulation__uuid",)
    ordering = ("-id",)
    readonly_fields = ("created_at",)
