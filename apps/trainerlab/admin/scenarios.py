"""Scenarios in the console, with import and export, and their assignments, read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from apps.simulation.models.case_details import PERSON
from apps.trainerlab.admin.import_export import ScenarioTemplateResource
from apps.trainerlab.models import Assignment, ScenarioImage, ScenarioTemplate
from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.import_export import Ported
from orchestration.clock import database_now


class ScenarioImageInline(TabularInline):
    """Pictures are uploaded on the scenario's page, which verifies them; here they are described and removed."""

    model = ScenarioImage
    extra = 0
    fields = ("description", "content_type", "width", "height", "size")
    readonly_fields = ("content_type", "width", "height", "size")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ScenarioTemplate)
class ScenarioTemplateAdmin(Ported):
    """A simulation keeps its own copy, so editing a scenario does not change sessions."""

    resource_classes = (ScenarioTemplateResource,)
    list_display = ("title", "key", "state", "sim_patient_full_name", "owner", "sessions_started", "updated_at")
    list_filter = ("is_open", "owner")
    list_select_related = ("owner",)
    search_fields = ("title", "key", "sim_patient_full_name", "diagnosis")
    prepopulated_fields = {"key": ("title",)}
    readonly_fields = ("uuid", "created_at", "updated_at", "archived_at")
    autocomplete_fields = ("owner",)
    inlines = (ScenarioImageInline,)
    actions = ("archive_selected", "restore_selected")
    fieldsets = (
        (None, {"fields": ("title", "key", "summary", "is_open", "holds_feedback", "owner")}),
        ("Patient", {"fields": ("sim_patient_full_name", *PERSON, "chief_complaint")}),
        ("Briefing", {"fields": ("setting", "task")}),
        ("Solution", {"fields": ("diagnosis", "accepted_diagnoses", "treatment_points", "criteria")}),
        ("Case", {"fields": ("scenario", "instructions", "modifiers", "findings", "model", "time_limit")}),
        ("Record", {"fields": ("uuid", "created_at", "updated_at", "archived_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScenarioTemplate]:
        rows: QuerySet[ScenarioTemplate] = super().get_queryset(request)
        return rows.annotate(started=Count("sessions"))

    @display(description="State", label={"open": "success", "assigned only": "info", "archived": "warning"})
    def state(self, template: ScenarioTemplate) -> str:
        if template.archived_at is not None:
            return "archived"
        return "open" if template.is_open else "assigned only"

    @display(description="Sessions", ordering="started")
    def sessions_started(self, template: Any) -> int:
        return int(template.started)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change and obj.owner_id is None:
            obj.owner = request.user
        super().save_model(request, obj, form, change)

    @admin.action(description="Archive the selected scenarios", permissions=["change"])
    def archive_selected(self, request: HttpRequest, queryset: QuerySet[ScenarioTemplate]) -> None:
        self._each(request, queryset.filter(archived_at__isnull=True), database_now(), "Archived")

    @admin.action(description="Restore the selected scenarios", permissions=["change"])
    def restore_selected(self, request: HttpRequest, queryset: QuerySet[ScenarioTemplate]) -> None:
        self._each(request, queryset.filter(archived_at__isnull=False), None, "Restored")

    def _each(self, request: HttpRequest, rows: QuerySet[ScenarioTemplate], archived_at: Any, done: str) -> None:
        for template in rows:
            template.archived_at = archived_at
            template.save(update_fields=["archived_at", "updated_at"])
            self.log_change(request, template, f"{done}.")
        messages.success(request, f"{done}: {len(rows)}.")


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    """Made and withdrawn by instructors, started by trainees."""

    list_display = ("id", "template", "trainee", "assigned_by", "state", "due_at", "created_at")
    list_filter = ("created_at", "due_at")
    list_select_related = ("template", "trainee", "assigned_by")
    search_fields = ("template__title", "trainee__email")

    @display(description="State", label={"open": "info", "started": "success", "withdrawn": "warning"})
    def state(self, assignment: Assignment) -> str:
        if assignment.simulation_id is not None:
            return "started"
        return "open" if assignment.withdrawn_at is None else "withdrawn"
