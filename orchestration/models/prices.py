"""Token prices as dated rows, so that a stored cost can always be explained."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.db import models

from orchestration.clock import database_now
from orchestration.types import Usage
from orchestration.values.moments import MomentField

DATED = re.compile(r"(?P<name>.+)-(?:\d{4}-(?:0[1-9]|1[0-2])-|(?:0[1-9]|1[0-2]))(?:0[1-9]|[12]\d|3[01])", re.ASCII)
"""A model's name and a date: `-YYYY-MM-DD` or `-MMDD`."""
MILLION = Decimal(1_000_000)
COST_STEP = Decimal("0.00000001")
MAX_COST = Decimal("999999.99999999")
"""Of the columns for costs."""


class ModelPriceQuerySet(models.QuerySet["ModelPrice"]):
    def at(self, provider: str, model: str, moment: datetime) -> ModelPrice | None:
        """The price in force for a model at a moment. A dated name (`gpt-4o-mini-2024-07-18`, `gpt-4-0613`) without a
        price of its own has that of the name without the date; no other name stands for another model."""
        dated = DATED.fullmatch(model)
        names = [model, dated["name"]] if dated else [model]
        rows = self.filter(provider=provider, model__in=names, valid_from__lte=moment)
        return max(rows, key=lambda price: (len(price.model), price.valid_from), default=None)


class ModelPrice(models.Model):
    """Price per million tokens of one model from a moment on."""

    provider = models.CharField(max_length=64)
    model = models.CharField(max_length=128)
    valid_from = MomentField(default=database_now)
    input_per_million = models.DecimalField(max_digits=12, decimal_places=6)
    cached_input_per_million = models.DecimalField(max_digits=12, decimal_places=6)
    output_per_million = models.DecimalField(max_digits=12, decimal_places=6)
    currency = models.CharField(max_length=3, default="USD")

    objects = ModelPriceQuerySet.as_manager()

    class Meta:
        db_table = "model_price"
        ordering = ("provider", "model", "-valid_from")
        constraints = (
            models.UniqueConstraint(fields=("provider", "model", "valid_from"), name="price_unique"),
            models.CheckConstraint(
                condition=models.Q(
                    input_per_million__gte=0, cached_input_per_million__gte=0, output_per_million__gte=0
                ),
                name="price_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} from {self.valid_from:%Y-%m-%d}"

    def cost(self, usage: Usage) -> Decimal:
        """Cost of a usage in `currency`, quantized to 8 places, half up, at most MAX_COST; cached input is part of the
        input tokens."""
        fresh = max(usage.input_tokens - usage.cached_input_tokens, 0)
        total = (
            fresh * self.input_per_million
            + usage.cached_input_tokens * self.cached_input_per_million
            + usage.output_tokens * self.output_per_million
        )
        return min((total / MILLION).quantize(COST_STEP, rounding=ROUND_HALF_UP), MAX_COST)
