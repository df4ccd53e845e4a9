"""The order of calls that share a key."""

from __future__ import annotations

from django.db import models

from orchestration.models.counting import count_up


class OrderingKey(models.Model):
    """The counter behind `sequence`: its row lock makes the order of submits the order of sequences."""

    key = models.CharField(primary_key=True, max_length=255)
    last_sequence = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ordering_key"

    def __str__(self) -> str:
        return f"{self.key}={self.last_sequence}"

    @classmethod
    def take(cls, key: str, count: int = 1) -> int:
        """Reserve `count` consecutive sequences in the caller's transaction; returns the first."""
        return count_up(cls, "last_sequence", key, count) - count + 1
