"""Counters that many processes increase at once, in the database: no hit is lost, whatever the cache is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import connection, models
from django.utils import timezone

HIT = (
    "INSERT INTO throttle_count (key, count, expires_at) VALUES (%s, 1, %s) ON CONFLICT (key) DO UPDATE"
    " SET count = throttle_count.count + 1 RETURNING count"
)


class ThrottleCountQuerySet(models.QuerySet["ThrottleCount"]):
    def hit(self, key: str, expires_at: datetime) -> int:
        """Count one in a single statement; returns the count with it."""
        with connection.cursor() as cursor:
            moment = connection.ops.adapt_datetimefield_value(expires_at)
            cursor.execute(HIT, [key, moment])
            count: int = cursor.fetchone()[0]
        return count

    def expired(self, now: datetime | None = None) -> Self:
        """Of windows that are over, with an hour for clocks that differ."""
        return self.filter(expires_at__lt=(now or timezone.now()) - timedelta(hours=1))


class ThrottleCount(models.Model):
    """How often something happened in one window of time. The key holds no address and no name, only hashes."""

    key = models.CharField(primary_key=True, max_length=128)
    count = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(db_index=True)

    objects = ThrottleCountQuerySet.as_manager()

    class Meta:
        db_table = "throttle_count"

    def __str__(self) -> str:
        return f"{self.key}={self.count}"
