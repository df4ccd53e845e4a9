"""Simulations, their metadata and feedback in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from apps.simulation.models import Simulation, SimulationFeedback, SimulationMetadata, SimulationStatus

STATUS_COLOURS = {
    SimulationStatus.PREPARING.label: "info",
    SimulationStatus.RUNNING.label: "success",
    SimulationStatus.FAILED.label: "danger",
    SimulationStatus.ENDED.label: "warning",
}


class MetadataInline(TabularInline):
    model = SimulationMetadata
    extra = 0
    fields = ("kind", "key", "value", "extra")
    show_change_link = True


@admin.register(Simulation)
class SimulationAdmin(ModelAdmin):
    """Cases can be corrected here; status, times and counters change only through the simulation itself."""

    list_display = ("id", "sim_patient_full_name", "user", "badge", "chief_complaint", "created_at", "ended_at")
    list_display_links = ("id", "sim_patient_full_name")
    list_filter = ("status", "created_at")
    list_select_related = ("user",)
    search_fields = ("sim_patient_full_name", "chief_complaint", "diagnosis", "user__email", "=uuid")
    date_hierarchy = "created_at"
    inlines = (MetadataInline,)
    readonly_fields = (
        "uuid",
        "user",
        "status",
        "failure_code",
        "initial_call",
        "next_sequence",
        "metadata_checksum",
        "created_at",
        "started_at",
        "ended_at",
    )
    fieldsets = (
        (None, {"fields": ("uuid", "user", "status", "failure_code", "initial_call")}),
        ("Patient", {"fields": ("sim_patient_full_name", "chief_complaint", "diagnosis")}),
        ("Case", {"fields": ("scenario", "instructions", "model", "time_limit")}),
        (
            "Course",
            {"fields": ("created_at", "started_at", "ended_at", "next_sequence", "metadata_checksum")},
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A simulation starts with its first call, through the API."""
        return False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.instance.refresh_metadata_checksum()

    @display(description="Status", ordering="status", label=STATUS_COLOURS)
    def badge(self, simulation: Simulation) -> str:
        return simulation.get_status_display()


@admin.register(SimulationMetadata)
class SimulationMetadataAdmin(ModelAdmin):
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
class SimulationFeedbackAdmin(ModelAdmin):
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
