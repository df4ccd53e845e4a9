"""Who works, and what the engine counted."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.utils import timezone
from unfold.decorators import display

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.models import EngineCounter, WorkerNode

SILENT_AFTER = timedelta(seconds=60)


@admin.register(WorkerNode)
class WorkerNodeAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "host", "pid", "started_at", "beat_at", "task_beat_at", "restarts")
    search_fields = ("name", "host")

    @display(description="State", label={"works": "success", "stopping": "warning", "silent": "danger"})
    def state(self, node: WorkerNode) -> str:
        if timezone.now() - node.beat_at > SILENT_AFTER:
            return "silent"
        return "stopping" if node.stopping else "works"


@admin.register(EngineCounter)
class EngineCounterAdmin(ReadOnlyAdmin):
    list_display = ("name", "value")
    ordering = ("name",)
