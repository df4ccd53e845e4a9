"""The order of calls that share a key."""

from __future__ import annotations

from django.db import connection, models


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
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ordering_key (key, last_sequence) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE"
                " SET last_sequence = ordering_key.last_sequence + %s RETURNING last_sequence",
                [key, count, count],
            )
            last: int = cursor.fetchone()[0]
        return last - count + 1
