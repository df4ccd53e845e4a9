"""Token usage and cost, as columns of calls and of single answers."""

from __future__ import annotations

from django.db import models

from orchestration.types import Usage


class UsageColumns(models.Model):
    """A column for each count of `Usage`; `cost` is in the currency of its price, null when no price is known."""

    input_tokens = models.PositiveIntegerField(default=0)
    cached_input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0)
    total_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=14, decimal_places=8, null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def usage(self) -> Usage:
        return Usage.model_validate(self, from_attributes=True)
