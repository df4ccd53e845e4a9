"""Who works, and what the engine counted."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.utils import timezone
from unfold.decorators import display

from orchestration.admin.base import ReadOnlyAdmin, moment
from orchestration.models import EngineCounter, WorkerNode

SILENT_AFTER = timedelta(seconds=60)


def node_state(node: WorkerNode, now: datetime) -> str:
    """`works`, `stopping` or `silent`."""
    if now - node.beat_at > SILENT_AFTER:
        return "silent"
    return "stopping" if node.stopping else "works"


@admin.register(WorkerNode)
class WorkerNodeAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "host", "pid", "started", "beat", "task_beat", "restarts")
    search_fields = ("name", "host")

    @display(description="State", label={"works": "success", "stopping": "warning", "silent": "danger"})
    def state(self, node: WorkerNode) -> str:
        return node_state(node, timezone.now())

    @display(description="Started", ordering="started_at")
    def started(self, node: WorkerNode) -> str:
        return moment(node.started_at)

    @display(description="Last beat", ordering="beat_at")
    def beat(self, node: WorkerNode) -> str:
        return moment(node.beat_at)

    @display(description="Last task beat", ordering="task_beat_at")
    def task_beat(self, node: WorkerNode) -> str:
        return moment(node.task_beat_at)


@admin.register(EngineCounter)
class EngineCounterAdmin(ReadOnlyAdmin):
    list_display = ("name", "value")
    ordering = ("name",)
