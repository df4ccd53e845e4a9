"""Simulations and their metadata in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from apps.simulation.models import (
    FeedbackStatus,
    Simulation,
    SimulationMetadata,
    SimulationStatus,
)
from apps.simulation.models.case_details import PERSON
from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.exact_search import UuidSearch
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
    search_help_text = "UUID, patient, complaint, diagnosis or user"
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
        ("Patient", {"fields": ("sim_patient_full_name", *PERSON, "chief_complaint")}),
        ("Briefing", {"fields": ("setting", "task")}),
        ("Solution", {"fields": ("diagnosis", "accepted_diagnoses", "treatment_points", "criteria")}),
        ("Case", {"fields": ("scenario", "instructions", "modifiers", "findings", "model", "time_limit")}),
        ("Feedback", {"fields": ("holds_feedback", "feedback_status", "feedback_failure_code", "feedback_call")}),
        (
            "Progress",
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
        """A simulation is started through the API, with its first call."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Saves only the edited fields: the session continues while its page is open here."""
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
class SimulationMetadataAdmin(ProvenanceMixin, ReadOnlyAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """Metadata are edited on their simulation, which keeps a checksum over them."""

    list_display = ("simulation", "kind", "key", "value", "updated_at")
    list_filter = ("kind",)
    list_select_related = ("simulation",)
    search_fields = ("key", "value", "simulation__sim_patient_full_name")
