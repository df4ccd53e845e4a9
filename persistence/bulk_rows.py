"""Work over many rows as rows: a run, and its frozen list of items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, models
from django.utils import timezone

from orchestration.models.statements import cursor_with_plans

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


class BulkState(models.TextChoices):
    """draft → queued → running → done; queued | running ⇄ paused; whatever has not ended → aborted; → failed."""

    DRAFT = "draft"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    ABORTED = "aborted"
    FAILED = "failed"


class BulkKind(models.TextChoices):
    """What is done with each row of the list; see persistence/operations.py. An export's rows may be of any model."""

    PERSIST = "persist"
    PREVIEW = "preview"
    REVERT = "revert"
    RETRY = "retry"
    CANCEL = "cancel"
    REPLAY = "replay"
    EXPORT = "export"


class BulkRun(models.Model):
    """One operation over a frozen list of rows, nearly always calls. The rows of the list are its items."""

    kind = models.CharField(max_length=16, choices=BulkKind)
    options = models.JSONField(default=dict, blank=True, help_text="What the operation was told: policy, model, format")
    filter = models.JSONField(default=dict, blank=True, help_text="What was asked for, as it was asked.")
    reason = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=16, choices=BulkState, default=BulkState.DRAFT)
    error = models.TextField(blank=True, default="", help_text="Why it failed.")
    total = models.PositiveIntegerField(default=0)
    forecast = models.JSONField(
        default=dict, blank=True, help_text="What it would do, counted when the list was frozen; an export has none."
    )
    file = models.CharField(max_length=255, blank=True, default="", help_text="What an export wrote, in the storage.")
    parts = models.JSONField(default=list, blank=True, help_text="What an unfinished export has stored so far.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    leased_until = models.DateTimeField(null=True, blank=True, help_text="Until then a worker is at it.")
    lease_token = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "persistence_bulk_run"
        ordering = ("-id",)
        verbose_name = "bulk run"
        constraints = (
            models.CheckConstraint(condition=models.Q(state__in=BulkState.values), name="bulk_state_known"),
            models.CheckConstraint(condition=models.Q(kind__in=BulkKind.values), name="bulk_kind_known"),
        )

    if TYPE_CHECKING:
        items: RelatedManager[BulkItem]

    def __str__(self) -> str:
        return f"{self.kind} of {self.total} rows"

    @property
    def has_ended(self) -> bool:
        return self.state in {BulkState.DONE, BulkState.ABORTED, BulkState.FAILED}


class Trouble(models.TextChoices):
    """Outcomes of items that were not done; those of the others are the operations' own words."""

    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"


TROUBLES = tuple(Trouble.values)


CLOSE = (
    "UPDATE persistence_bulk_item SET outcome = %s, counts = %s, error = %s, done_at = %s"
    " WHERE id = %s AND outcome || '' = ''"
)
CLOSE_WITHOUT_WAITING = f"{CLOSE} RETURNING set_config('synchronous_commit', 'off', true)"
"""The setting ends with the transaction."""


class BulkItemQuerySet(models.QuerySet["BulkItem"]):
    def close(
        self, item: BulkItem, *, outcome: str, counts: dict[str, int] | None, error: str, durable: bool = True
    ) -> bool:
        """Store what became of an open item; False when somebody has done so.

        With `durable=False` PostgreSQL need not wait for its disk at the commit: when it crashes just then, the item is
        open again. By hand, for it runs for every item. The outcome is asked for as no partial index knows it: the row
        is to be found by its key, whatever the statistics say of open items.
        """
        waits = durable or connection.vendor != "postgresql"
        ops = connection.ops
        values = (outcome, ops.adapt_json_value(counts, None), error, ops.adapt_datetimefield_value(timezone.now()))
        with cursor_with_plans() as cursor:
            cursor.execute(CLOSE if waits else CLOSE_WITHOUT_WAITING, [*values, item.pk])
            return bool(cursor.rowcount)


class BulkItem(models.Model):
    """One row of a bulk run; `outcome` is empty until it was done. No foreign key: it outlives pruned calls."""

    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, related_name="items", db_index=False)
    call_id = models.CharField(max_length=64, help_text="The call; in an export the key of the row.")
    outcome = models.CharField(max_length=16, blank=True, default="")
    counts = models.JSONField(null=True, blank=True, help_text="{action: rows}")
    error = models.TextField(blank=True, default="")
    done_at = models.DateTimeField(null=True, blank=True)

    objects = BulkItemQuerySet.as_manager()

    class Meta:
        db_table = "persistence_bulk_item"
        ordering = ("id",)
        verbose_name = "item of a bulk run"
        verbose_name_plural = "items of bulk runs"
        constraints = (models.UniqueConstraint(fields=("call_id", "run"), name="bulk_item_once"),)
        indexes = (
            models.Index(fields=("run", "id"), condition=models.Q(outcome=""), name="bulk_item_open"),
            models.Index(fields=("run", "outcome"), name="bulk_item_outcome"),
            models.Index(fields=("outcome", "id"), condition=models.Q(outcome__in=TROUBLES), name="bulk_item_trouble"),
        )

    def __str__(self) -> str:
        return f"{self.call_id}: {self.outcome or 'open'}"
