"""The gateway's figures in `/metrics`: of today, because records are deleted after a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.core.cache import cache
from django.db.models import Count, Q, Sum

from apps.gateway.models.interactions import IS_ESTIMATE, Interaction
from orchestration.clock import database_now
from orchestration.stats.added_metrics import Metric, Sample

KEPT_SECONDS = 60
NAMES = ("requests", "rerouted", "prompt", "response", "cost")


def gateway_metrics() -> Iterator[Metric]:
    """Requests, tokens and cost since midnight UTC; `estimated` for those that the provider did not report in full."""
    figures = cast("dict[str, dict[str, float]]", cache.get_or_set("gateway.metrics", _figures, KEPT_SECONDS))
    labelled = [({"estimated": estimated}, found) for estimated, found in figures.items()]
    requests: list[Sample] = [(label, found["requests"]) for label, found in labelled]
    yield Metric("gateway_requests_today", "gauge", "Requests to the gateway since midnight UTC.", requests)
    rerouted: list[Sample] = [(label, found["rerouted"]) for label, found in labelled]
    yield Metric("gateway_requests_rerouted_today", "gauge", "Those that did not go to their first route.", rerouted)
    kinds = ("prompt", "response")
    tokens: list[Sample] = [(label | {"kind": kind}, found[kind]) for label, found in labelled for kind in kinds]
    yield Metric("gateway_tokens_today", "gauge", "Tokens of the gateway since midnight UTC.", tokens)
    cost: list[Sample] = [(label, found["cost"]) for label, found in labelled]
    yield Metric("gateway_cost_today", "gauge", "Cost of the gateway since midnight UTC.", cost)


def _figures() -> dict[str, dict[str, float]]:
    rows = Interaction.objects.filter(timestamp__gte=database_now().replace(hour=0, minute=0, second=0, microsecond=0))
    everything, estimated = _sums(rows), _sums(rows.filter(IS_ESTIMATE))
    reported = {name: everything[name] - estimated[name] for name in NAMES}
    return {"false": reported, "true": estimated}


def _sums(rows: Any) -> dict[str, float]:
    found = rows.aggregate(
        requests=Count("id"),
        rerouted=Count("id", filter=Q(route_reason__gt="")),
        prompt=Sum("prompt_tokens", default=0),
        response=Sum("response_tokens", default=0),
        cost=Sum("cost", default=0),
    )
    return {name: float(found[name]) for name in NAMES}
