"""Pictures of simulations in the console."""

from __future__ import annotations

from django.contrib import admin

from apps.simulation.models import (
    SimulationImage,
)
from orchestration.admin.base import ReadOnlyAdmin
from persistence.provenance import ProvenanceMixin


@admin.register(SimulationImage)
class SimulationImageAdmin(ProvenanceMixin, ReadOnlyAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    list_display = ("id", "simulation", "description", "content_type", "size", "uploaded_by", "revealed_at")
    list_select_related = ("simulation", "uploaded_by")
    list_filter = ("content_type", "created_at")
    search_fields = ("description", "simulation__sim_patient_full_name")
    exclude = ("file",)
    readonly_fields = ("uuid", "content_type", "width", "height", "size", "checksum", "created_at")
