"""Who works (one row per `qcluster` supervisor) and what is counted for the whole system."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from orchestration.models.counting import count_up


class WorkerNode(models.Model):
    """One `manage.py qcluster`: written by its supervisor, `task_beat_at` by a task that its cluster really ran."""

    name = models.CharField(max_length=128, unique=True)
    host = models.CharField(max_length=128, blank=True, default="")
    pid = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    beat_at = models.DateTimeField(default=timezone.now)
    task_beat_at = models.DateTimeField(null=True, blank=True)
    restarts = models.PositiveIntegerField(default=0)
    last_restart_reason = models.CharField(max_length=255, blank=True, default="")
    stopping = models.BooleanField(default=False)

    class Meta:
        db_table = "worker_node"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


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
