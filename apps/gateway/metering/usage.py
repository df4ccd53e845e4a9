"""Usage figures for the console: by day, by key, by model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, cast

from django.core.cache import cache
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from apps.gateway.models.interactions import ANSWERED_BY, IS_ESTIMATE, Interaction
from orchestration.clock import database_now
from orchestration.theme.words import currency

FIGURES: dict[str, Any] = {
    "requests": Count("id"),
    "hits": Count("id", filter=Q(cache_hit=True)),
    "failed": Count("id", filter=Q(status__in=("failed", "unknown", "refused"))),
    "tokens_in": Sum("prompt_tokens", default=0),
    "tokens_out": Sum("response_tokens", default=0),
    "total_cost": Sum("cost", default=Decimal(0)),
    "estimated_cost": Sum("cost", filter=IS_ESTIMATE, default=Decimal(0)),
}
MOST_ROWS = 20
KEPT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Usage:
    """The last `days` days, today included: one query each for the days, the keys and the models."""

    at: datetime
    days: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    models: list[dict[str, Any]]

    @property
    def tables(self) -> list[tuple[str, list[dict[str, Any]]]]:
        return [("Key", self.keys), ("Model", self.models)]

    @property
    def charts(self) -> Iterator[dict[str, str]]:
        """For unfold's bar chart, each with a summary in words."""
        yield _chart("Requests per day", self.days, "requests")
        yield _chart("Tokens out per day", self.days, "tokens_out")
        yield _chart("Cost per day", self.days, "total_cost", unit=f" {currency()}".rstrip())


def recent_usage(days: int) -> Usage:
    """As it was within the last minute: a million rows take seconds to sum up, and a list has many pages."""
    return cast("Usage", cache.get_or_set(f"gateway.usage.{days}", partial(usage, days), KEPT_SECONDS))


def usage(days: int) -> Usage:
    rows = Interaction.objects.filter(timestamp__gte=_first(days))
    counted = rows.values(day=TruncDate("timestamp")).annotate(**FIGURES).order_by("day")
    by_day: dict[date, dict[str, Any]] = {row["day"]: {**row} for row in counted}
    empty: dict[str, Any] = dict.fromkeys(FIGURES, 0)
    dates = [(_first(days) + timedelta(days=number)).date() for number in range(days)]
    return Usage(
        database_now(),
        [by_day.get(day, empty | {"day": day}) for day in dates],
        _top(rows, "api_key__name", "api_key__prefix"),
        _top(rows.annotate(used=ANSWERED_BY), "used"),
    )


def _first(days: int) -> Any:
    return database_now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)


def _top(rows: QuerySet[Interaction], *fields: str) -> list[dict[str, Any]]:
    found = list(rows.values(*fields).annotate(**FIGURES).order_by("-total_cost", "-requests")[:MOST_ROWS])
    return [
        row
        | {
            "label": " ".join(str(row[field]) for field in fields if row[field]) or "none",
            "figures": [
                *(f"{row[name]:,}" for name in ("requests", "hits", "failed", "tokens_in", "tokens_out")),
                *(_plain(row[name]) for name in ("total_cost", "estimated_cost")),
            ],
        }
        for row in found
    ]


def _plain(figure: Decimal) -> str:
    """Without trailing zeros, thousands apart."""
    return f"{figure.normalize():,f}"


def _chart(title: str, days: list[dict[str, Any]], figure: str, unit: str = "") -> dict[str, str]:
    values = [float(row[figure]) for row in days]
    total, most = Decimal(sum(row[figure] for row in days)), max(days, key=lambda row: row[figure])
    return {
        "title": title,
        "story": f"{_plain(total)}{unit} in all, most on {most['day']:%b %d}." if total else "None.",
        "data": json.dumps(
            {
                "labels": [f"{row['day']:%b %d}" for row in days],
                "datasets": [{"label": title, "data": values, "backgroundColor": "var(--color-primary-500)"}],
            }
        ),
    }
