"""What reruns would cost: the tokens of the last time, at the present prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from orchestration.clock import database_now
from orchestration.models import ModelPrice, ServiceCallRecord
from orchestration.types import JsonObject, Usage

COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "total_tokens")
LISTED_MODELS = 8


@dataclass(slots=True, kw_only=True)
class Estimate:
    """The cost of some reruns."""

    amount: Decimal = Decimal(0)
    currency: str = ""
    calls: int = 0
    """How many it is for."""
    unknown: int = 0
    """Calls of which no cost is known: without a price, or never answered."""

    def as_json(self) -> JsonObject:
        """The amount as text, empty where nothing is known."""
        amount = f"{self.amount.normalize():f}" if self.calls else ""
        return {"amount": amount, "currency": self.currency, "calls": self.calls, "unknown": self.unknown}


def estimate(calls: QuerySet[ServiceCallRecord], model: str = "") -> Estimate:
    """The cost of asking these calls again, of `model` or of the model that each was asked of. One query for the
    tokens, one for each price. Amounts in another currency than the first one's count as unknown."""
    answered = Q(total_tokens__gt=0)
    groups = (
        calls.order_by()
        .values("provider", "model")
        .annotate(
            answered=Count("pk", filter=answered),
            silent=Count("pk", filter=~answered),
            **{f"sum_{name}": Sum(name) for name in COUNTS},
        )
    )
    found, now = Estimate(), database_now()
    for row in groups:
        group: dict[str, Any] = {**row}
        used = Usage(**{name: group[f"sum_{name}"] or 0 for name in COUNTS})
        _add(found, _price(group["provider"], model or group["model"], now), used, group["answered"])
        found.unknown += group["silent"]
    return found


def _add(found: Estimate, price: ModelPrice | None, used: Usage, calls: int) -> None:
    if price is None or (found.currency and price.currency != found.currency):
        found.unknown += calls
    elif calls:
        found.amount, found.currency, found.calls = found.amount + price.cost(used), price.currency, found.calls + calls


def _price(provider: str, model: str, now: datetime) -> ModelPrice | None:
    return ModelPrice.objects.at(provider, model, now)


def costs_by_model(call: ServiceCallRecord) -> list[tuple[str, str]]:
    """(model, cost) of a rerun of this call: its own model first, then others of its provider that have a price."""
    if not call.total_tokens:
        return []
    now = database_now()
    priced = ModelPrice.objects.filter(provider=call.provider, valid_from__lte=now).order_by("model")
    names = dict.fromkeys([call.model, *priced.values_list("model", flat=True).distinct()[:LISTED_MODELS]])
    prices = {name: _price(call.provider, name, now) for name in names}
    return [
        (name, shown_amount(price.cost(call.usage), price.currency))
        for name, price in prices.items()
        if price is not None
    ]


def shown_amount(amount: Decimal, currency: str) -> str:
    """`0.0123 USD`"""
    return f"{amount.normalize():f} {currency}"
