"""The charts of the dashboard as data for Chart.js, each with a text for screen readers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count
from django.db.models.functions import Trunc
from django.utils import timezone

from orchestration.stats.figures import COUNTED_UP_TO, Figures, History, Period
from orchestration.theme.words import currency
from persistence.models.failures import PersistenceFailure

LABELS = {
    Period.HOUR: "%H:%M",
    Period.DAY: "%H:%M",
    Period.WEEK: "%a %H:%M",
    Period.MONTH: "%b %d",
}
GREEN, RED, GREY, BLUE, ORANGE = "#16a34a", "#dc2626", "#9ca3af", "#4f46e5", "#ea580c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One canvas."""

    key: str
    """Its id in the page."""
    title: str
    kind: str
    """Of Chart.js: `bar` or `line`."""
    data: dict[str, Any]
    story: str
    """What it shows, in words."""
    stacked: bool = False
    opens: tuple[str, ...] = ()
    """What a point of each series opens: a status of calls, `all`, or `failing`."""

    @property
    def opened(self) -> str:
        return json.dumps(self.opens)

    @property
    def value(self) -> str:
        return json.dumps(self.data)

    @property
    def options(self) -> str:
        return json.dumps(options(stacked=self.stacked))


def charts(found: History) -> Iterator[Chart]:
    """Finished calls, their latency and their cost over the points of a period."""
    total, points = found.total, _points(found)
    span = found.period.span.label.lower()
    yield Chart(
        key="chart-calls",
        title=f"Finished calls per {span}",
        kind="bar",
        stacked=True,
        data=points
        | _data(
            found,
            ("Succeeded", GREEN, lambda point: point.succeeded),
            ("Failed", RED, lambda point: point.failed),
            ("Cancelled", GREY, lambda point: point.cancelled),
        ),
        story=f"{total.succeeded} succeeded, {total.failed} failed, {total.cancelled} cancelled.",
        opens=("succeeded", "failed", "cancelled"),
    )
    yield Chart(
        key="chart-latency",
        title=f"Seconds from first claim to finish, per {span}",
        kind="line",
        data=points
        | _data(
            found,
            ("p95", ORANGE, lambda point: _seconds(point.latency(0.95))),
            ("p50", BLUE, lambda point: _seconds(point.latency(0.5))),
        ),
        story=f"p50 is {_seconds(total.latency(0.5))} s, p95 {_seconds(total.latency(0.95))} s.",
        opens=("all", "all"),
    )
    yield Chart(
        key="chart-cost",
        title=f"Cost per {span}{f', {currency()}' if currency() else ''}",
        kind="bar",
        data=points | _data(found, ("Cost", BLUE, lambda point: float(point.cost))),
        story=f"{total.cost:.4f} {currency()}".rstrip() + " in total.",
        opens=("all",),
    )
    yield _failing(found, points)


def _failing(found: History, points: dict[str, Any]) -> Chart:
    """Results that are not persisted, by when they began to fail; without those that were persisted since."""
    newest = PersistenceFailure.objects.current().filter(first_at__gte=found.since).order_by("-first_at")
    began = PersistenceFailure.objects.filter(pk__in=newest.values("pk")[:COUNTED_UP_TO]).order_by()
    start = Trunc("first_at", found.period.span.value, tzinfo=UTC)
    counts = dict(began.annotate(start=start).values_list("start").annotate(Count("pk")))
    return Chart(
        key="chart-failing",
        title=f"Results that cannot be persisted, by the {found.period.span.label.lower()} in which that began",
        kind="bar",
        data={
            **points,
            "datasets": [
                {
                    "label": "Failing or dead",
                    "data": [counts.get(at, 0) for at in found.points],
                    "backgroundColor": RED,
                    "borderColor": RED,
                }
            ],
        },
        story=f"{sum(counts.values())} results began to fail in this period and still do.",
        opens=("failing",),
    )


def _data(found: History, *series: tuple[str, str, Callable[[Figures], Any]]) -> dict[str, Any]:
    return {
        "datasets": [
            {
                "label": label,
                "data": [read(point) for point in found.points.values()],
                "backgroundColor": colour,
                "borderColor": colour,
            }
            for label, colour, read in series
        ],
    }


def _points(found: History) -> dict[str, Any]:
    """Their labels, and when each began, in seconds since 1970."""
    return {
        "labels": [_label(found.period, at) for at in found.points],
        "points": [int(at.timestamp()) for at in found.points],
    }


def _label(period: Period, at: datetime) -> str:
    return f"{timezone.localtime(at):{LABELS[period]}}"


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else round(ms / 1000, 3)


def options(*, stacked: bool = False, legend: bool = True) -> dict[str, Any]:
    """Of Chart.js, as all charts of the console have them."""
    ticks = {"color": "#9ca3af", "maxRotation": 0, "autoSkipPadding": 16}
    axis = {"border": {"display": False}, "grid": {"tickLength": 0}, "ticks": ticks, "stacked": stacked}
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "datasets": {
            "bar": {"borderRadius": 2, "maxBarThickness": 18},
            "line": {"borderWidth": 2, "pointRadius": 0, "spanGaps": True},
        },
        "plugins": {
            "legend": {
                "display": legend,
                "align": "end",
                "labels": {"boxWidth": 8, "boxHeight": 8, "color": "#9ca3af"},
            }
        },
        "scales": {"x": {**axis, "grid": {"display": False}}, "y": {**axis, "beginAtZero": True}},
    }
