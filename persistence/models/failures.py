"""Why a result is not persisted yet, or never will be by itself: one row for each that failed last time."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from django.db import connection, models

from orchestration.models import ServiceCallRecord
from orchestration.models.prepared_sql import Statement, is_postgresql
from orchestration.models.states import PersistState
from orchestration.types import JsonObject
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField

WAITING = models.Q(domain_persist_state=PersistState.PENDING, domain_persist_attempts__gt=0)


def still_failing() -> models.Q:
    """Of calls: their results are dead, or failed and wait for another try."""
    return models.Q(domain_persist_state=PersistState.DEAD) | WAITING


def waiting_again() -> models.QuerySet[ServiceCallRecord]:
    """The calls whose results failed and wait for another try."""
    return ServiceCallRecord.objects.filter(WAITING)


INTO = "INSERT INTO persistence_failure (call_id, handler, fingerprint, cause, first_at, last_at)"
AGAIN = (
    "ON CONFLICT (call_id) DO UPDATE SET first_at = CASE WHEN persistence_failure.fingerprint = excluded.fingerprint"
    " THEN persistence_failure.first_at ELSE excluded.first_at END,"
    " handler = excluded.handler, fingerprint = excluded.fingerprint, cause = excluded.cause,"
    " last_at = excluded.last_at"
)
"""The first time of a cause stays as long as the cause is the same."""


class PersistenceFailureQuerySet(models.QuerySet["PersistenceFailure"]):
    def current(self) -> PersistenceFailureQuerySet:
        """Those of results that are dead, or wait for another try; others are left over.

        Each state by itself: the keys of dead results are in an index, and with a join on both each call's row, which
        is far from the next one, would be read.
        """
        return self.filter(
            models.Q(call__in=ServiceCallRecord.objects.dead().order_by().values("pk"))
            | models.Q(call__in=waiting_again().order_by().values("pk"))
        )

    def forget_settled(self) -> int:
        """Delete what is left over: older versions and reverts do not; how many."""
        failing = ServiceCallRecord.objects.filter(still_failing(), pk=models.OuterRef("call_id"))
        return self.filter(~models.Exists(failing)).delete()[0]

    def forget(self, call_ids: Collection[str]) -> None:
        """Their results are persisted, or belong to nobody."""
        if call_ids:
            self.filter(call__in=call_ids).delete()

    def forgetting(self, call_id: str) -> Statement:
        """The statement of `forget` for one call. By hand: it runs together with the mark of its result."""
        return Statement("DELETE FROM persistence_failure WHERE call_id = %s", [call_id])

    def noting(self, call_id: str, handler: str, fingerprint: str, cause: JsonObject, now: datetime) -> Statement:
        """The statement that notes a failure."""
        moment = connection.ops.adapt_datetimefield_value(now)
        stored = "%s::jsonb" if is_postgresql() else "%s"
        return Statement(
            f"{INTO} VALUES (%s, %s, %s, {stored}, %s, %s) {AGAIN}",
            [call_id, handler, fingerprint, json.dumps(cause), moment, moment],
        )


class PersistenceFailure(models.Model):
    """Why the last try to persist a result failed; removed when it is persisted."""

    call = models.OneToOneField(
        ServiceCallRecord,
        on_delete=models.CASCADE,
        primary_key=True,
        db_constraint=False,  # an older version that deletes a call does not know of this row
        related_name="persistence_failure",
    )
    handler = models.CharField(max_length=255, blank=True, default="")
    """Who took the result then."""
    fingerprint = models.CharField(max_length=16)
    """The same for results that are mended together."""
    cause = StoredJSONField(default=dict)
    """A `persistence.causes.cause.Cause`: names of schema and code, no content."""
    first_at = MomentField()
    """Since when the result fails for this cause."""
    last_at = MomentField()

    objects = PersistenceFailureQuerySet.as_manager()

    class Meta:
        db_table = "persistence_failure"
        ordering = ("-last_at",)
        indexes = (models.Index(fields=("fingerprint",), name="failure_fingerprint"),)

    def __str__(self) -> str:
        return f"failure of call {self.call_id}"
