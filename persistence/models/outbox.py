"""The drain's own rows: whether one was asked for, and the processes that died in handlers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import connection, models

from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.values.moments import MomentField
from orchestration.values.uuid_keys import UuidTextField
from persistence.models.bulk import BulkRun, BulkState


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashMarker:
    """A process that is, or was, in the handler of a result, or of one part of it; what `handling` writes as JSON."""

    call_id: str
    part: str
    node: str
    pid: int
    began_at: str
    """ISO time."""
    bulk_run: int = 0
    """The bulk run that it worked for, 0 in a drain."""


class PersistenceDeathQuerySet(models.QuerySet["PersistenceDeath"]):
    def suspects(self, call_ids: Sequence[str]) -> set[str]:
        """Those whose handlers were running when a process died: they run alone from now on."""
        return set(self.filter(bulk_run=0, call_id__in=call_ids).values_list("call_id", flat=True))

    def note(self, marker: CrashMarker) -> list[PersistenceDeath]:
        """Record a death, and delete those of results and runs that have ended; returns all of the same kind."""
        pending = ServiceCallRecord.objects.in_persist_state(PersistState.PENDING)
        running = BulkRun.objects.filter(state__in=(BulkState.QUEUED, BulkState.RUNNING, BulkState.PAUSED))
        ended = ~models.Q(bulk_run=0) & ~models.Q(bulk_run__in=running.values("pk"))
        self.filter(ended | models.Q(bulk_run=0) & ~models.Q(call_id__in=pending.values("pk"))).delete()
        self.get_or_create(**asdict(marker) | {"began_at": datetime.fromisoformat(marker.began_at)})
        return list(self.filter(call_id=marker.call_id, part=marker.part, bulk_run=marker.bulk_run))


class PersistenceDeath(models.Model):
    """A process that died while the handler of a result, or of one part of it, ran; kept while that is pending."""

    call_id = UuidTextField(max_length=64)
    part = models.CharField(max_length=128, blank=True, default="")
    node = models.CharField(max_length=80)
    pid = models.PositiveIntegerField()
    began_at = MomentField(help_text="When the handler was called.")
    bulk_run = models.PositiveBigIntegerField(default=0, help_text="The bulk run that it worked for; 0 in a drain.")

    objects = PersistenceDeathQuerySet.as_manager()

    class Meta:
        db_table = "persistence_death"
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("call_id", "node", "pid", "began_at"), name="death_once"),)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.node!r} at {self.began_at:%Y-%m-%d %H:%M:%S}"


class DrainWake(models.Model):
    """One row: when a drain was last asked for that has not begun. So at most one waits on the broker."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    asked_at = MomentField(null=True, blank=True)

    class Meta:
        db_table = "drain_wake"

    def __str__(self) -> str:
        return f"asked at {self.asked_at}" if self.asked_at else "not asked"

    @classmethod
    def ask(cls, *, expires: timedelta, now: datetime | None = None) -> bool:
        """True for the caller who must send the task; a request older than `expires` counts as lost."""
        moment = now or database_now()
        adapt = connection.ops.adapt_datetimefield_value
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO drain_wake (id, asked_at) VALUES (1, %s) ON CONFLICT (id) DO UPDATE"
                " SET asked_at = excluded.asked_at"
                " WHERE drain_wake.asked_at IS NULL OR drain_wake.asked_at < %s RETURNING id",
                [adapt(moment), adapt(moment - expires)],
            )
            return cursor.fetchone() is not None

    @classmethod
    def answer(cls) -> None:
        """A drain begins: it will see what committed before this; whoever commits later asks again."""
        cls.objects.filter(asked_at__isnull=False).update(asked_at=None)
