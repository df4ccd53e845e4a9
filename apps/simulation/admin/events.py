"""Events of simulations in the console."""

from __future__ import annotations

from django.contrib import admin

from apps.simulation.models import (
    SimulationEvent,
)
from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.exact_search import ExactSearch


@admin.register(SimulationEvent)
class SimulationEventAdmin(ExactSearch, ReadOnlyAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """The events that the stream of a simulation sends."""

    list_display = ("simulation", "sequence", "kind", "audience", "data", "created_at")
    list_display_links = ("simulation", "sequence")
    list_filter = ("kind", "audience")
    list_select_related = ("simulation",)
    search_fields = ("simulation__uuid",)
    ordering = ("-id",)
    readonly_fields = ("created_at",)
