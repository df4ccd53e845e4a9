"""Counters of rate limits, which many processes increase at once, in the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import connection, models

from orchestration.clock import database_now
from orchestration.models.prepared_sql import cursor_with_plans
from orchestration.values.moments import MomentField

COUNTING = (
    "INSERT INTO throttle_count (key, count, expires_at) {row} ON CONFLICT (key) DO UPDATE"
    " SET count = throttle_count.count + excluded.count WHERE throttle_count.count + excluded.count <= %s"
    " RETURNING count"
)
HIT = COUNTING.format(row="VALUES (%s, %s, %s)")
HIT_WITHOUT_DISK = COUNTING.format(
    row="SELECT %s::varchar, %s::integer, %s::timestamptz"
    " FROM (SELECT set_config('synchronous_commit', 'off', true)) AS setting"
)
"""On PostgreSQL, as a transaction of its own that does not wait for the disk: hits of one person wait for each other
until they are committed. Only a crash of the database server loses hits, those of its last second."""


class ThrottleCountQuerySet(models.QuerySet["ThrottleCount"]):
    def hit(self, key: str, expires_at: datetime, *, cost: int, limit: int) -> bool:
        """Count `cost`, which is at most `limit`, in a single statement; False, and nothing counted, beyond `limit`."""
        is_alone = connection.vendor == "postgresql" and not connection.in_atomic_block
        with cursor_with_plans() as cursor:
            moment = connection.ops.adapt_datetimefield_value(expires_at)
            cursor.execute(HIT_WITHOUT_DISK if is_alone else HIT, [key, cost, moment, limit])
            return cursor.fetchone() is not None

    def expired(self, now: datetime | None = None) -> Self:
        """Of windows that are over, with an hour for clocks that differ."""
        return self.filter(expires_at__lt=(now or database_now()) - timedelta(hours=1))


class ThrottleCount(models.Model):
    """How often something happened in one window of time. The key holds no address and no name, only hashes."""

    key = models.CharField(primary_key=True, max_length=128)
    count = models.PositiveIntegerField(default=0)
    expires_at = MomentField(db_index=True)

    objects = ThrottleCountQuerySet.as_manager()

    class Meta:
        db_table = "throttle_count"

    def __str__(self) -> str:
        return f"{self.key}={self.count}"
