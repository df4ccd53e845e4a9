"""How many results were held and what became of them, by service and version of the prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.core.cache import cache
from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q

from orchestration.clock import database_now
from orchestration.stats.added_metrics import Metric, Sample
from persistence.models.approval import Hold, HoldState

KEPT_SECONDS = 60
TIME = ExpressionWrapper(F("decided_at") - F("opened_at"), output_field=DurationField())


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFigures:
    """Of one service and one version of its prompt; `states` by HoldState."""

    service: str
    prompt_version: str
    states: dict[str, int]
    seconds_to_decision: float | None
    """On average, of those that people decided on."""

    @property
    def held(self) -> int:
        return sum(self.states.values())


def approval_figures(since: datetime) -> list[ApprovalFigures]:
    """Of all that was held from then on; one query, over the index of times."""
    decided = Q(state__in=[HoldState.APPROVED, HoldState.EDITED, HoldState.REJECTED])
    rows: Any = (
        Hold.objects.filter(opened_at__gte=since)
        .order_by()
        .values("service_identity", "prompt_version")
        .annotate(
            took=Avg(TIME, filter=decided),
            **{state.value: Count("pk", filter=Q(state=state)) for state in HoldState},
        )
        .order_by("service_identity", "prompt_version")
    )
    return [_figures(row) for row in rows]


def _figures(row: dict[str, Any]) -> ApprovalFigures:
    took: timedelta | None = row["took"]
    return ApprovalFigures(
        service=row["service_identity"],
        prompt_version=row["prompt_version"],
        states={state.value: row[state.value] for state in HoldState},
        seconds_to_decision=None if took is None else took.total_seconds(),
    )


def approval_metrics() -> Iterator[Metric]:
    """What waits now, and of today, since midnight UTC, what became of it."""
    waiting, today = cast("tuple[Any, Any]", cache.get_or_set("persistence.approval", _now, KEPT_SECONDS))
    open_ones: list[Sample] = [({"service": service}, float(count)) for service, count in waiting]
    yield Metric("approvals_waiting", "gauge", "Held results that wait for a person.", open_ones)
    states: list[Sample] = []
    times: list[Sample] = []
    for figures in today:
        label = {"service": figures.service, "prompt": figures.prompt_version}
        states += [({**label, "state": state}, float(count)) for state, count in figures.states.items()]
        if figures.seconds_to_decision is not None:
            times.append((label, figures.seconds_to_decision))
    yield Metric("approvals_today", "gauge", "Results held since midnight UTC, by what became of them.", states)
    yield Metric("approval_seconds_today", "gauge", "Average time to a decision on them.", times)


def _now() -> tuple[list[tuple[str, int]], list[ApprovalFigures]]:
    midnight = database_now().replace(hour=0, minute=0, second=0, microsecond=0)
    by_service = Hold.objects.open().order_by("service_identity").values_list("service_identity")
    return list(by_service.annotate(Count("pk"))), approval_figures(midnight)
