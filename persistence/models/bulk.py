"""Bulk runs: an operation over many rows, with its frozen list of items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, models

from orchestration.clock import database_now
from orchestration.models.compare_and_set import CompareAndSet
from orchestration.models.format_version import FormatVersionField
from orchestration.models.prepared_sql import cursor_with_plans
from orchestration.operations import Operation, operations
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField

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


ENDED = (BulkState.DONE, BulkState.ABORTED, BulkState.FAILED)


class Channel(models.TextChoices):
    """How a run was asked for; empty for one that a version made which did not store it."""

    COMMAND = "command"
    CONSOLE = "console"
    API = "api"


EXPORT = "export"
"""The kind of a run that writes a file; its rows may be of any model. The other kinds are keys of operations."""
FIRST_FORMAT, FORMAT = 1, 2
"""Runs of the second one have a pace, a start time, and a person whose rights are looked at while they run. A version
that knows only the first would ignore these, so it leaves such runs to others."""


class BulkRun(CompareAndSet):
    """One operation over a frozen list of rows, nearly always calls. The rows of the list are its items."""

    kind = models.CharField(max_length=16, help_text="The key of an operation on calls, or export.")
    options = StoredJSONField(default=dict, blank=True, help_text="Options of the operation: policy, model, format")
    filter = StoredJSONField(default=dict, blank=True, help_text="The filter that was requested.")
    reason = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=16, choices=BulkState, default=BulkState.DRAFT)
    error = models.TextField(blank=True, default="", help_text="Why it failed.")
    total = models.PositiveIntegerField(default=0)
    forecast = StoredJSONField(
        default=dict, blank=True, help_text="What it would do, counted when the list was frozen; empty for an export."
    )
    file = models.CharField(max_length=255, blank=True, default="", help_text="What an export wrote, in the storage.")
    parts = StoredJSONField(default=list, blank=True, help_text="What an unfinished export has stored so far.")
    format_version = FormatVersionField(written=FORMAT, help_text="Of the options, the parts and what a run keeps to.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    authorized_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        db_constraint=False,  # an older version deletes people without knowing this column
        help_text="Who started or resumed it last: in that name it writes.",
    )
    channel = models.CharField(
        max_length=16, blank=True, default="", db_default="", help_text="Command line, console or REST."
    )
    credential = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="The key with which it was asked for."
    )
    leased_until = MomentField(null=True, blank=True, help_text="Until then a worker holds the run.")
    lease_token = models.BigIntegerField(default=0)
    created_at = MomentField(default=database_now)
    started_at = MomentField(null=True, blank=True)
    finished_at = MomentField(null=True, blank=True)
    starts_at = MomentField(null=True, blank=True, help_text="Of a draft: when it starts by itself.")
    per_minute = models.IntegerField(null=True, blank=True, help_text="Items a minute at most; empty: no limit.")
    next_item_at = MomentField(null=True, blank=True, help_text="With a pace: no item begins before this.")
    list_query = models.TextField(
        blank=True, default="", db_default="", help_text="The query of the list of calls whose matches were frozen."
    )

    class Meta:
        db_table = "persistence_bulk_run"
        ordering = ("-id",)
        verbose_name = "bulk run"
        constraints = (models.CheckConstraint(condition=models.Q(state__in=BulkState.values), name="bulk_state_known"),)

    if TYPE_CHECKING:
        items: RelatedManager[BulkItem]

    def __str__(self) -> str:
        what = "row" if self.kind == EXPORT else "call"
        return f"{self.title} of {self.total:,} {what}{'' if self.total == 1 else 's'}"

    @property
    def operation(self) -> Operation | None:
        """What it does to each of its rows; None for an export, and for what is no longer declared."""
        return next((each for each in operations() if each.key == self.kind), None)

    @property
    def title(self) -> str:
        """What the operation is called; the kind, when it is no longer declared."""
        if self.kind == EXPORT:
            return "Export"
        return self.operation.title if self.operation else self.kind

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def is_scheduled(self) -> bool:
        """A draft that starts by itself. No state of its own: to an older version it is a draft."""
        return self.state == BulkState.DRAFT and self.starts_at is not None


class Trouble(models.TextChoices):
    """Outcomes of items that were not done; those of the others are the operations' own words."""

    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"


TROUBLES = tuple(Trouble.values)
CHANGED = "changed"
"""The outcome of a row that is in an export, but not as it is stored, for its format cannot hold everything."""


CLOSE = (
    "UPDATE persistence_bulk_item SET outcome = %s, counts = %s, error = %s, made_call_id = %s, done_at = %s"
    " WHERE id = %s AND outcome || '' = ''"
)
CLOSE_WITHOUT_WAITING = f"{CLOSE} RETURNING set_config('synchronous_commit', 'off', true)"
"""The setting ends with the transaction."""


class BulkItemQuerySet(models.QuerySet["BulkItem"]):
    def close(
        self,
        item: BulkItem,
        *,
        outcome: str,
        counts: dict[str, int] | None,
        error: str,
        made: str = "",
        durable: bool = True,
    ) -> bool:
        """Store the outcome of an open item; False when it has one already.

        With `durable=False` PostgreSQL need not wait for its disk at the commit: when it crashes just then, the item is
        open again. By hand, for it runs for every item. The outcome is asked for as no partial index knows it: the row
        is to be found by its key, whatever the statistics say of open items.
        """
        waits = durable or connection.vendor != "postgresql"
        ops = connection.ops
        now = ops.adapt_datetimefield_value(database_now())
        values = (outcome, ops.adapt_json_value(counts, None), error, made, now)
        with cursor_with_plans() as cursor:
            cursor.execute(CLOSE if waits else CLOSE_WITHOUT_WAITING, [*values, item.pk])
            return bool(cursor.rowcount)


class BulkItem(models.Model):
    """One row of a bulk run; `outcome` is empty until it was done. No foreign key: it outlives pruned calls."""

    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, related_name="items", db_index=False)
    call_id = models.CharField(max_length=64, help_text="The call; in an export the key of the row.")
    outcome = models.CharField(max_length=16, blank=True, default="")
    counts = StoredJSONField(null=True, blank=True, help_text="{action: rows}")
    error = models.TextField(blank=True, default="")
    made_call_id = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="The call that was made beside it."
    )
    done_at = MomentField(null=True, blank=True)

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
            models.Index(fields=("run", "id"), condition=models.Q(error__gt=""), name="bulk_item_note"),
        )

    def __str__(self) -> str:
        return f"{self.call_id}: {self.outcome or 'open'}"


def items_with_a_note(run: BulkRun) -> models.QuerySet[BulkItem]:
    """What was done though something speaks against it, in order; its `error` says what. Only a forced run has any."""
    items = BulkItem.objects.filter(run=run, error__gt="").exclude(outcome__in=TROUBLES).order_by("pk")
    return items if run.options.get("force") else items.none()
