"""Model fields that tracking and reverting treat specially."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    PositiveInteger = models.PositiveIntegerField[int, int]
else:
    PositiveInteger = models.PositiveIntegerField


class CounterField(PositiveInteger):
    """A counter whose numbers others have seen: a revert leaves it as it is, so that no number is given twice.

    It is not part of a row's snapshot: not compared, not shown and not restored. A plain integer in migrations.
    """

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        return _as_plain(super().deconstruct())


class NumberField(PositiveInteger):
    """A number that was taken from a counter, as that of an event: what is made again has another, and is the same if
    the rest is. A plain integer in migrations."""

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        return _as_plain(super().deconstruct())


def _as_plain(deconstructed: tuple[str, str, Any, Any]) -> tuple[str, str, Any, Any]:
    name, _, args, kwargs = deconstructed
    return name, "django.db.models.PositiveIntegerField", args, kwargs
