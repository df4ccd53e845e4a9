"""Prices of models in the admin."""

from __future__ import annotations

from django.contrib import admin

from orchestration.admin.optional_import_export import PortedPrices
from orchestration.models import ModelPrice
from orchestration.theme.parts import display
from orchestration.theme.words import moment


@admin.register(ModelPrice)
class ModelPriceAdmin(PortedPrices):
    """A new price is a new row from its date on; a price that a stored cost was made with cannot be deleted."""

    list_display = (
        "provider",
        "model",
        "valid",
        "input_per_million",
        "cached_input_per_million",
        "output_per_million",
        "currency",
    )
    list_display_links = ("provider", "model")
    list_filter = ("provider",)
    search_fields = ("provider", "model")

    @display(description="Valid from", ordering="valid_from")
    def valid(self, price: ModelPrice) -> str:
        return moment(price.valid_from)
