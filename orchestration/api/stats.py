"""Figures about finished calls for `/stats`: of all calls from the rollups, of one's own from the rows of a day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from orchestration.models import ServiceCallRecord
from orchestration.models.rollups import BOUND_RATIO, FIRST_BOUND_MS, LAST_BUCKET
from orchestration.stats.figures import ADDED, Figures, Period, added, history
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
    return {
        **dict(zip(ADDED, added(figures), strict=True)),
        "failure_rate": round(figures.failure_rate, 4),
        "per_minute": round(figures.finished / MINUTES, 4),
        "latency_ms": {f"p{share}": figures.latency(share / 100) for share in (50, 90, 99)},
    }


def _own(user: Any, since: datetime) -> tuple[Figures, dict[tuple[str, str], Figures]]:
    total, parts = Figures(), dict[tuple[str, str], Figures]()
    for row in _rows(user, since):
        unpriced = int(row["cost"] is None and row["total_tokens"] > 0)
        sums = row | {row["status"]: 1, "cost": row["cost"] or 0, "unpriced": unpriced}
        durations = {}
        if row["started_at"] is not None:
            durations = {str(_bucket((row["finished_at"] - row["started_at"]).total_seconds() * 1000)): 1}
        for figures in (total, parts.setdefault((row["service_identity"], row["model"]), Figures())):
            figures.add([sums.get(name, 0) for name in ADDED], [], [durations])
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
