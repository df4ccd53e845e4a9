"""Worker nodes and the engine's counters in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path

from orchestration.admin.alerts import alerts
from orchestration.admin.base import ReadOnlyAdmin
from orchestration.clock import database_now
from orchestration.engine.lag import TOLERATED_SECONDS
from orchestration.models import EngineCounter, WorkerNode
from orchestration.monitoring.alert_display import ALERTS
from orchestration.theme.parts import display
from orchestration.theme.words import moment

NODE_COLOURS = {"healthy": "success", "stopping": "warning", "silent": "danger"}
"""By `WorkerNode.state`."""


@admin.register(WorkerNode)
class WorkerNodeAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "host", "pid", "started", "beat", "task_beat", "clock", "lag", "restarts")
    search_fields = ("name", "host")

    def get_urls(self) -> list[URLPattern]:
        return [path("alerts/", self.admin_site.admin_view(alerts), name=ALERTS), *super().get_urls()]

    @display(description="State", label=NODE_COLOURS)
    def state(self, node: WorkerNode) -> str:
        return node.state(database_now())

    @display(description="Started", ordering="started_at")
    def started(self, node: WorkerNode) -> str:
        return moment(node.started_at)

    @display(description="Last beat", ordering="beat_at")
    def beat(self, node: WorkerNode) -> str:
        return moment(node.beat_at)

    @display(description="Last task beat", ordering="task_beat_at")
    def task_beat(self, node: WorkerNode) -> str:
        return moment(node.task_beat_at)

    @display(description="Clock", ordering="clock_offset", label={"in time": "success", "off": "danger"})
    def clock(self, node: WorkerNode) -> Any:
        """By how much it is ahead (+) or behind the database's, as measured with the last beat."""
        if node.clock_offset is None:
            return None
        return ("off" if node.is_clock_off else "in time"), f"{node.clock_offset:+.1f} s"

    @display(description="Lag", ordering="lag_seconds", label={"keeps up": "success", "behind": "warning"})
    def lag(self, node: WorkerNode) -> Any:
        """By how much its slowest worker was late at the last beat; one that is behind has fewer calls at once."""
        if node.lag_seconds is None:
            return None
        return ("behind" if node.lag_seconds > TOLERATED_SECONDS else "keeps up"), f"{node.lag_seconds:.1f} s"


@admin.register(EngineCounter)
class EngineCounterAdmin(ReadOnlyAdmin):
    list_display = ("name", "value")
    ordering = ("name",)
