"""Model fields that persistence treats in a way of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    PositiveInteger = models.PositiveIntegerField[int, int]
else:
    PositiveInteger = models.PositiveIntegerField


class CounterField(PositiveInteger):
    """Counts numbers that others have seen: what takes a result back leaves it as it is, so that none is given twice.

    It is no part of a row's image: not compared, not shown and not restored. A plain integer in migrations.
    """

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.PositiveIntegerField", args, kwargs
