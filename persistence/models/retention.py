"""The progress of retention."""

from __future__ import annotations

from django.db import models

from orchestration.values.moments import MomentField


class RetentionMark(models.Model):
    """How far the content of one kind was walked by `prune`: everything before `until` is purged or held."""

    kind = models.CharField(primary_key=True, max_length=16)
    until = MomentField()

    class Meta:
        db_table = "retention_mark"

    def __str__(self) -> str:
        return f"{self.kind} until {self.until:%Y-%m-%d %H:%M}"


class RetentionHeld(models.Model):
    """A row that `prune` passed and had to leave, because its call was not finished with."""

    kind = models.CharField(max_length=16)
    row_id = models.CharField(max_length=64)

    class Meta:
        db_table = "retention_held"
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("kind", "row_id"), name="retention_held_once"),)
        indexes = (models.Index(fields=("kind", "id"), name="retention_held_walk"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.row_id}"
