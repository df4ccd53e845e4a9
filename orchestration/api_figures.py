"""Figures about finished calls for `/stats`: about all from the sums, about one's own from the rows of a day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from orchestration.metrics import Figures, Period, history
from orchestration.models import ServiceCallRecord
from orchestration.models.rollups import BOUND_RATIO, FIRST_BOUND_MS, LAST_BUCKET
from orchestration.types import JsonObject

MINUTES = 24 * 60
OWN_ROWS = 10_000
"""Of one's own calls the newest so many are summed up."""


def finished_figures(user: Any, since: datetime) -> JsonObject:
    """`finished`, `by_service_and_model` and `summed_up_at` of StatsOut."""
    if user.has_perm("orchestration.view_servicecallrecord"):
        found = history(Period.DAY)
        total, parts, at = found.total, found.parts, found.rolled_at
    else:
        total, parts = _own(user, since)
        at = None
    return {
        "finished": _shown(total),
        "by_service_and_model": [
            {"service": service, "model": model, **_shown(figures)} for (service, model), figures in parts.items()
        ],
        "summed_up_at": at,
    }


def _shown(figures: Figures) -> JsonObject:
    names = ("succeeded", "failed", "cancelled", "input_tokens", "output_tokens", "total_tokens", "cost", "unpriced")
    return {
        **{name: getattr(figures, name) for name in names},
        "failure_rate": round(figures.failure_rate, 4),
        "per_minute": round(figures.finished / MINUTES, 4),
        "latency_ms": {f"p{share}": figures.latency(share / 100) for share in (50, 90, 99)},
    }


def _own(user: Any, since: datetime) -> tuple[Figures, dict[tuple[str, str], Figures]]:
    total, parts = Figures(), dict[tuple[str, str], Figures]()
    for row in _rows(user, since):
        for figures in (total, parts.setdefault((row["service_identity"], row["model"]), Figures())):
            setattr(figures, row["status"], getattr(figures, row["status"]) + 1)
            for name in ("input_tokens", "output_tokens", "total_tokens"):
                setattr(figures, name, getattr(figures, name) + row[name])
            figures.cost += row["cost"] or 0
            figures.unpriced += row["cost"] is None and row["total_tokens"] > 0
            if row["started_at"] is not None:
                bucket = str(_bucket((row["finished_at"] - row["started_at"]).total_seconds() * 1000))
                figures.durations[bucket] = figures.durations.get(bucket, 0) + 1
    return total, dict(sorted(parts.items(), key=lambda part: (-part[1].cost, -part[1].finished, part[0])))


def _rows(user: Any, since: datetime) -> Iterator[JsonObject]:
    columns = ("service_identity", "model", "status", "cost", "started_at", "finished_at")
    tokens = ("input_tokens", "output_tokens", "total_tokens")
    calls = ServiceCallRecord.objects.finished().filter(requested_by=user, created_at__gte=since)
    yield from calls.order_by("-created_at").values(*columns, *tokens)[:OWN_ROWS]


def _bucket(milliseconds: float) -> int:
    if milliseconds < FIRST_BOUND_MS:
        return 0
    return min(1 + int(math.log(milliseconds / FIRST_BOUND_MS, BOUND_RATIO)), LAST_BUCKET)
