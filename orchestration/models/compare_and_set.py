"""Transitions of a row that two processes may try at the same time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Self

from django.db import models

from orchestration.values.columns import value_of


class CompareAndSet(models.Model):
    """For models with a column that says where the row is."""

    class Meta:
        abstract = True

    def compare_and_set(self, column: str, from_: Collection[str], **changes: Any) -> bool:
        """Change the row if its column still has one of these values; the instance follows the row.

        False when it has another one, which the instance then has, too.
        """
        rows = type(self)._base_manager.filter(**{"pk": self.pk, f"{column}__in": from_})
        if rows.update(**changes) != 1:
            self.refresh_from_db(fields=[column])
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True

    @classmethod
    def compare_and_set_all(
        cls, rows: Sequence[Self], column: str, from_: Collection[str], **changes: Any
    ) -> list[Self]:
        """`compare_and_set` of rows that the caller has locked and read since, in one statement; the instances follow.

        Returns those that were changed: whose column had one of these values.
        """
        changed = [row for row in rows if value_of(row, column) in from_]
        cls._base_manager.filter(pk__in=[row.pk for row in changed]).update(**changes)
        for row in changed:
            for name, value in changes.items():
                setattr(row, name, value)
        return changed
