"""Rows that a revert withdraws instead of removing them, because others follow them in an order without gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from orchestration.types import JsonObject
from persistence.tracking.snapshots import same

IsFollowed = Callable[[Any], bool]
"""Asked with a row, in the transaction that would remove it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What makes a row of a model count as removed; the values are such as JSON has them."""

    values: JsonObject
    is_followed: IsFollowed

    def holds_for(self, image: JsonObject) -> bool:
        return all(same(image.get(name), value) for name, value in self.values.items())


_withdrawals: dict[type[Model], Withdrawal] = {}


def withdraws(model: type[Model], **values: bool | int | str | None) -> Callable[[IsFollowed], IsFollowed]:
    """Decorate a function that says whether others follow a row of this model: then a revert gives the row these
    values and leaves it in its place. `recreate` is not concerned, for it puts a new row there."""

    def add(is_followed: IsFollowed) -> IsFollowed:
        _withdrawals[model] = Withdrawal(values=values, is_followed=is_followed)
        return is_followed

    return add


def withdrawal_of(model: type[Model]) -> Withdrawal | None:
    return _withdrawals.get(model)
