"""Worker nodes (one row per `qcluster` supervisor) and system-wide counters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models

from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.models.counters import count_up
from orchestration.values.moments import MomentField

SEEN_WITHIN = timedelta(seconds=60)
"""A node whose beat is older does not count as seen."""
MISSED_BEATS = 3.2
"""Many small beats: on a machine under load, three in a row must be lost, or one late by twice their interval, before a
node that lives is called silent."""


def alive_within() -> timedelta:
    """A node whose beat is older missed three: it hangs, or is gone. 6.4 seconds with the default settings."""
    return timedelta(seconds=MISSED_BEATS * engine_settings().beat_seconds)


class WorkerNodeQuerySet(models.QuerySet["WorkerNode"]):
    def seen(self, now: datetime | None = None) -> Self:
        """Those that beat and are not stopping."""
        return self.filter(stopping=False, beat_at__gte=(now or database_now()) - SEEN_WITHIN)

    def alive(self, now: datetime | None = None) -> Self:
        """Those that beat as they should, and are not stopping."""
        return self.filter(stopping=False, beat_at__gte=(now or database_now()) - alive_within())


class WorkerNode(models.Model):
    """One `manage.py qcluster`: written by its supervisor, `task_beat_at` by a task that its cluster really ran."""

    name = models.CharField(max_length=128, unique=True)
    host = models.CharField(max_length=128, blank=True, default="")
    pid = models.PositiveIntegerField(default=0)
    started_at = MomentField(default=database_now)
    beat_at = MomentField(default=database_now)
    task_beat_at = MomentField(null=True, blank=True)
    restarts = models.PositiveIntegerField(default=0)
    last_restart_reason = models.CharField(max_length=255, blank=True, default="")
    stopping = models.BooleanField(default=False)
    clock_offset = models.FloatField(
        null=True, blank=True, help_text="Seconds by which its machine's clock is ahead of the database's."
    )
    lag_seconds = models.FloatField(
        null=True, blank=True, help_text="Seconds by which its slowest worker was late at the last beat."
    )

    objects = WorkerNodeQuerySet.as_manager()

    class Meta:
        db_table = "worker_node"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def state(self, now: datetime) -> str:
        """`healthy`, `stopping` or `silent`."""
        if now - self.beat_at > alive_within():
            return "silent"
        return "stopping" if self.stopping else "healthy"

    @property
    def is_clock_off(self) -> bool:
        """Its machine's clock differs from the database's by more than CLOCK_TOLERANCE_SECONDS."""
        return self.clock_offset is not None and abs(self.clock_offset) > engine_settings().CLOCK_TOLERANCE_SECONDS


class EngineCounter(models.Model):
    """A count for the whole system, such as `stale_writes_rejected`."""

    name = models.CharField(primary_key=True, max_length=64)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "engine_counter"

    def __str__(self) -> str:
        return f"{self.name}={self.value}"

    @classmethod
    def add(cls, name: str, count: int = 1) -> None:
        """Count in the caller's transaction, creating the row when it is the first."""
        count_up(cls, "value", name, count)

    @classmethod
    def read(cls, name: str) -> int:
        """The present count, 0 when nothing was ever counted."""
        return cls.objects.filter(name=name).values_list("value", flat=True).first() or 0
