"""Finished calls summed up per minute, hour and day, service and model, so that figures stay cheap at any size.

A call counts once, in the minute of its `finished_at`, with everything it used since it was submitted; a call that is
retried is taken out of that minute again. stats/aggregation.py keeps the sums, from the rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, models

from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField

FIRST_BOUND_MS = 10.0
BOUND_RATIO = 1.25
LAST_BUCKET = 64
"""Durations from 10 ms to more than three hours, each bucket a quarter wider than the one before."""


BUCKETS = frozenset(map(str, range(LAST_BUCKET + 1)))
"""As the keys of a column."""


def bucket_bounds(bucket: int) -> tuple[float, float]:
    """From and to, in ms, of a bucket; 0 holds everything below 10 ms."""
    if bucket == 0:
        return 0.0, FIRST_BOUND_MS
    return FIRST_BOUND_MS * BOUND_RATIO ** (bucket - 1), FIRST_BOUND_MS * BOUND_RATIO**bucket


def percentile(durations: Mapping[str, int], share: float) -> float | None:
    """The duration in ms that `share` (0 to 1) of the counted calls stayed below, interpolated within its bucket;
    None when nothing was counted. At most one bucket off: 25 %."""
    counted = sorted((int(bucket), count) for bucket, count in durations.items() if bucket in BUCKETS)
    wanted = math.ceil(sum(count for _, count in counted) * share)
    for bucket, count in counted:
        if wanted <= count:
            low, high = bucket_bounds(bucket)
            return low + (high - low) * wanted / count
        wanted -= count
    return None


def add_counts(into: dict[str, int], stored: Any) -> None:
    """Add the counts of a column as far as they can be read: a row that was edited by hand does not break a sum."""
    known = into.get
    for key, count in stored.items() if isinstance(stored, dict) else ():
        if type(count) is int and count > 0:
            into[key] = known(key, 0) + count


class Span(models.TextChoices):
    """How much time a rollup covers; each is summed up from the one before."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class CallRollup(models.Model):
    """The calls of one service and model that finished within one span."""

    span = models.CharField(max_length=8, choices=Span)
    starts_at = MomentField()
    service_identity = models.CharField(max_length=255)
    model = models.CharField(max_length=128, help_text="The model that answered, or the requested one when none did.")
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    errors = StoredJSONField(default=dict, help_text="Calls that did not succeed, by error code.")
    durations = StoredJSONField(default=dict, help_text="Calls by bucket of the time from first claim to end.")
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    total_tokens = models.BigIntegerField(default=0)
    cost = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    unpriced = models.PositiveIntegerField(default=0, help_text="Calls that used tokens at an unknown price.")
    highest_cost = models.DecimalField(max_digits=14, decimal_places=8, null=True)
    costliest_call = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        db_table = "call_rollup"
        ordering = ("-starts_at", "service_identity", "model")
        constraints = (
            models.UniqueConstraint(fields=("span", "starts_at", "service_identity", "model"), name="rollup_unique"),
            models.CheckConstraint(condition=models.Q(span__in=Span.values), name="rollup_span_known"),
        )

    def __str__(self) -> str:
        return f"{self.span} {self.starts_at:%Y-%m-%d %H:%M} {self.service_identity} {self.model}"


class RollupMark(models.Model):
    """A moment whose minute has to be summed up again: a call that finished then was retried, cancelled or repriced.

    Written in the transaction of the change, so that a transaction that sees the mark sees the change as well.
    """

    at = MomentField()

    class Meta:
        db_table = "call_rollup_mark"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"

    @classmethod
    def of_call(cls, call_id: str) -> None:
        """Mark the minute in which a call finished, if it did."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO call_rollup_mark (at)"
                " SELECT finished_at FROM service_call_record WHERE id = %s AND finished_at IS NOT NULL",
                [call_id],
            )


class RollupState(models.Model):
    """How far the rollups are; the one row that decides between two that sum up at the same time."""

    version = models.BigIntegerField(default=0)
    settled_until = MomentField(null=True, help_text="Earlier minutes are summed up again only when they are marked.")
    rolled_at = MomentField(null=True)

    class Meta:
        db_table = "call_rollup_state"

    def __str__(self) -> str:
        return f"rolled at {self.rolled_at}"

    @classmethod
    def read(cls) -> RollupState:
        return cls.objects.get_or_create(pk=1)[0]

    def advance(self, *, settled_until: datetime, rolled_at: datetime) -> bool:
        """Compare-and-set: False when another process summed up since this state was read."""
        moved = RollupState.objects.filter(pk=self.pk, version=self.version).update(
            version=self.version + 1, settled_until=settled_until, rolled_at=rolled_at
        )
        self.version, self.settled_until, self.rolled_at = self.version + 1, settled_until, rolled_at
        return moved == 1
