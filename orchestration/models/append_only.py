"""Rows that are created and read, and never change."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models

from orchestration.errors import AppendOnly

ModelT = TypeVar("ModelT", bound=models.Model)


class AppendOnlyQuerySet(models.QuerySet[ModelT]):
    """Raises AppendOnly for what would change or remove rows."""

    def update(self, **_: Any) -> int:
        raise AppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly


class AppendOnlyModel(models.Model):
    """Raises AppendOnly when a row is saved again or deleted."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly
