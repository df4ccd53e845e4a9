"""A price counts for the model it names and for dated names of it, for nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orchestration.models import ModelPrice

pytestmark = pytest.mark.django_db
LONG_AGO, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def priced(model: str, amount: int) -> None:
    kinds = ("input_per_million", "cached_input_per_million", "output_per_million")
    ModelPrice.objects.create(
        provider="openai", model=model, valid_from=LONG_AGO, **dict.fromkeys(kinds, Decimal(amount))
    )


@pytest.mark.parametrize(
    ("model", "amount"),
    [
        ("gpt-4o-mini", 1),
        ("gpt-4o-mini-2024-07-18", 1),
        ("gpt-4o-mini-0718", 1),
        ("gpt-4o", 2),
        ("gpt-4o-0613", 2),
        ("gpt-4o-2024-05-13", 3),
        ("gpt-4o-mini-pro", None),
        ("gpt-4o-mini-", None),
        ("gpt-4o-mini-2024-07", None),
        ("gpt-4o-mini-2024-13-18", None),
        ("gpt-4o-mini-2048", None),
        ("gpt-4o-mini-2024-07-18-x", None),
        ("gpt-4o-mini-2024-07-18-0718", None),
        ("gpt-4o-mini-\u0660\u0667\u0661\u0668", None),
        ("GPT-4o", None),
        ("gpt", None),
        ("", None),
    ],
)
def test_a_price_counts_for_its_model_and_dates_of_it(model, amount):
    for name, cost in (("gpt-4o-mini", 1), ("gpt-4o", 2), ("gpt-4o-2024-05-13", 3)):
        priced(name, cost)
    found = ModelPrice.objects.at("openai", model, NOW)
    assert (found and found.input_per_million) == amount
    assert ModelPrice.objects.at("other", model, NOW) is None
