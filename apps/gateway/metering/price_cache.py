"""What tokens cost, by prices that were looked up lately."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from orchestration.clock import database_now
from orchestration.models import ModelPrice
from orchestration.types import Usage

PRICE_SECONDS = 30.0
"""How long a process may use a price that was changed meanwhile."""
SPARE_SECONDS = 5.0
"""Longer than what is done with prices that were read before."""
MOST_KNOWN = 1000
"""From here on those that were not used lately are forgotten."""
NEVER = (0.0, None)


@dataclass(slots=True)
class Prices:
    """Prices that were looked up lately."""

    known: dict[tuple[str, str], tuple[float, ModelPrice | None]] = field(default_factory=dict)

    def stale(self, names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of these providers and models whose prices must be read, or soon."""
        soon = time.monotonic() + SPARE_SECONDS
        return [name for name in set(names) if self.known.get(name, NEVER)[0] < soon]

    def read(self, names: Iterable[tuple[str, str]]) -> None:
        """Read these from the database, so that `at` need not."""
        for name in names:
            self.known.pop(name, None)
            self.at(*name)

    def at(self, provider: str, model: str) -> ModelPrice | None:
        expires, price = self.known.get((provider, model), NEVER)
        if expires < time.monotonic():
            if len(self.known) > MOST_KNOWN:
                self.known = {name: one for name, one in self.known.items() if one[0] >= time.monotonic()}
            price = ModelPrice.objects.at(provider, model, database_now())
            self.known[provider, model] = (time.monotonic() + PRICE_SECONDS, price)
        return price


prices = Prices()


def cost_of(provider: str, model: str, usage: Usage) -> Decimal | None:
    """None: no price is known."""
    price = prices.at(provider, model)
    return None if price is None else price.cost(usage)
