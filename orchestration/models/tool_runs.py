"""`ToolRun`: one call of a tool that a model asked for, committed before it is run and after."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import F, Q

from orchestration.clock import database_now
from orchestration.models.audits import AIRequestAudit
from orchestration.models.calls import ServiceCallRecord
from orchestration.values.content_parts import Content, content_of, has_parts
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField


class ToolRunStatus(models.TextChoices):
    """running → done | failed, once. `unknown`: its call ended while it ran; a retry of the call runs it again."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


UNFINISHED = (ToolRunStatus.RUNNING, ToolRunStatus.UNKNOWN)


class ToolRunQuerySet(models.QuerySet["ToolRun"]):
    """Transitions, each compare-and-set: by the status, and by the attempt that the caller began."""

    def unfinished(self) -> ToolRunQuerySet:
        return self.filter(status__in=UNFINISHED)

    def begin_again(self, keys: Iterable[int]) -> None:
        """running | unknown → running, as a new attempt: whatever the former one still stores is refused."""
        again = self.unfinished().filter(pk__in=list(keys))
        again.update(status=ToolRunStatus.RUNNING, attempts=F("attempts") + 1, started_at=database_now())

    def finish(self, run: ToolRun) -> bool:
        """running → done | failed as `run` has it; False when another attempt was begun, or finished, since."""
        mine = self.filter(pk=run.pk, status=ToolRunStatus.RUNNING, attempts=run.attempts)
        outcome = {"result": run.result, "error_code": run.error_code, "error": run.error}
        return bool(mine.update(status=run.status, finished_at=run.finished_at, **outcome))

    def abandon(self, call_ids: Iterable[str]) -> int:
        """running → unknown, for calls that ended; returns how many moved."""
        running = self.filter(call_id__in=list(call_ids), status=ToolRunStatus.RUNNING)
        return running.update(status=ToolRunStatus.UNKNOWN)


class ToolRun(models.Model):
    """What a model asked a tool, and what came of it."""

    request = models.ForeignKey(
        AIRequestAudit, on_delete=models.CASCADE, related_name="tool_runs", help_text="The request whose answer asked."
    )
    call = models.ForeignKey(
        ServiceCallRecord,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tool_runs",
        db_index=False,
        db_constraint=False,  # making it would lock another table, of which there is one already
    )
    position = models.PositiveSmallIntegerField(help_text="Within the answer, from 0.")
    provider_call_id = models.CharField(max_length=128)
    tool = models.CharField(max_length=128)
    arguments = StoredJSONField(null=True, blank=True, help_text="Empty when the model wrote no JSON.")
    status = models.CharField(max_length=16, choices=ToolRunStatus, default=ToolRunStatus.RUNNING)
    attempts = models.PositiveIntegerField(default=1, help_text="Times it was begun; more when its worker died.")
    result = StoredJSONField(null=True, blank=True)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error = models.TextField(blank=True, default="", help_text="As the model was told.")
    started_at = MomentField(default=database_now)
    finished_at = MomentField(null=True, blank=True)

    objects = ToolRunQuerySet.as_manager()

    class Meta:
        db_table = "tool_run"
        ordering = ("request", "position")
        verbose_name = "run of a tool"
        verbose_name_plural = "runs of tools"
        constraints = (
            models.UniqueConstraint(fields=("request", "position"), name="tool_run_unique"),
            models.CheckConstraint(condition=Q(status__in=ToolRunStatus.values), name="tool_run_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=UNFINISHED) | Q(finished_at__isnull=False), name="tool_run_finished_has_time"
            ),
        )
        indexes = (
            models.Index(fields=("call",), name="tool_run_call"),
            models.Index(fields=("-started_at",), name="tool_run_newest"),
        )

    def __str__(self) -> str:
        return f"{self.tool} of request {self.request_id}"

    @property
    def is_finished(self) -> bool:
        return self.status not in UNFINISHED

    @property
    def key(self) -> str:
        """The same for all its attempts."""
        return f"{self.call_id}:{self.request_id}:{self.position}"

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took; None until it is finished."""
        return None if self.finished_at is None else max(0.0, (self.finished_at - self.started_at).total_seconds())

    def end(self, status: ToolRunStatus, *, result: Any = None, error_code: str = "", error: str = "") -> None:
        """The instance as its row will be; `ToolRunQuerySet.finish` writes it."""
        self.status, self.finished_at = status, database_now()
        self.result, self.error_code, self.error = result, error_code, error

    def content(self) -> Content:
        """What the model is told of a finished run: text, or parts where the tool returned any. The keys of other JSON
        are sorted, because PostgreSQL keeps no order of them, and a worker that continues must say the same."""
        if self.status == ToolRunStatus.FAILED:
            return self.error
        if has_parts(self.result):
            return content_of(self.result, "result")
        if isinstance(self.result, str):
            return self.result
        return json.dumps(self.result, ensure_ascii=False, sort_keys=True)
