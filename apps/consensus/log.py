"""The lifecycle of a run as JSON lines: ids, steps, codes and durations, never an idea, a prompt or an answer."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.utils import timezone

from apps.consensus.models import Run, StepProgress

logger = logging.getLogger("apps.consensus.lifecycle")


def run_changed(event: str, run: Run, **facts: Any) -> None:
    """`event` is what happened to the run: created, completed, failed, cancelled, retried."""
    latency = run.finished_at - run.created_at if run.finished_at else None
    _write(
        f"run_{event}",
        run_id=str(run.pk),
        status=run.status,
        run_type=run.run_type,
        latency_ms=None if latency is None else round(latency.total_seconds() * 1000),
        **facts,
    )


def step_changed(step: StepProgress, **facts: Any) -> None:
    """A step started, completed or failed; its latency counts from its first request."""
    latency = step.completed_at - step.started_at if step.completed_at and step.started_at else None
    _write(
        f"step_{step.status}",
        run_id=str(step.run_id),
        step=step.step,
        attempt=step.attempt_count,
        latency_ms=None if latency is None else round(latency.total_seconds() * 1000),
        **facts,
    )


def prompts_not_usable(reason: str) -> None:
    """No run can start until that is corrected."""
    _write("prompts_not_usable", level=logging.ERROR, reason=reason)


def _write(event: str, *, level: int = logging.INFO, **facts: Any) -> None:
    line = {"time": timezone.now().isoformat(), "event": event} | {k: v for k, v in facts.items() if v is not None}
    logger.log(level, "%s", json.dumps(line))
