"""The idempotency row of each persisted result (or part of one), and every object it touched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.utils import timezone

from orchestration.references import Reference, reference

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


class PersistedChunkQuerySet(models.QuerySet["PersistedChunk"]):
    """`open` and `close` are written by hand: they run for every result, and building them with the ORM costs four
    times what running them does."""

    def open(self, chunk: PersistedChunk) -> tuple[PersistedChunk, bool]:
        """Insert an unsaved chunk unless its key is taken; returns (the stored chunk, whether it is this one).

        Waits for a transaction that is inserting the same key.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO persisted_chunk (call_id, schema_identity, part, namespace, handler_identity,"
                " handler_fingerprint, schema_version, persisted_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (call_id, schema_identity, part) DO NOTHING RETURNING id",
                [
                    chunk.call_id,
                    chunk.schema_identity,
                    chunk.part,
                    chunk.namespace,
                    chunk.handler_identity,
                    chunk.handler_fingerprint,
                    chunk.schema_version,
                    connection.ops.adapt_datetimefield_value(chunk.persisted_at),
                ],
            )
            row = cursor.fetchone()
        if row is None:
            return self.get(call_id=chunk.call_id, schema_identity=chunk.schema_identity, part=chunk.part), False
        chunk.pk = row[0]
        chunk._state.adding, chunk._state.db = False, connection.alias
        return chunk, True

    def close(self, chunk: PersistedChunk) -> None:
        """Store what is known when the handler has run: its primary object, the summary, and who it was."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE persisted_chunk SET content_type_id = %s, object_id = %s, summary = %s, handler_identity = %s,"
                " handler_fingerprint = %s WHERE id = %s",
                [
                    chunk.content_type_id,
                    chunk.object_id,
                    None if chunk.summary is None else connection.ops.adapt_json_value(chunk.summary, None),
                    chunk.handler_identity,
                    chunk.handler_fingerprint,
                    chunk.pk,
                ],
            )


class PersistedChunk(models.Model):
    """What was persisted, once per (call, schema, part). No foreign key to the call: it outlives pruned calls."""

    call_id = models.CharField(max_length=64)
    schema_identity = models.CharField(max_length=255, db_index=True)
    part = models.CharField(max_length=128, blank=True, default="")
    namespace = models.CharField(max_length=255, db_index=True)
    handler_identity = models.CharField(max_length=255, blank=True, default="")
    handler_fingerprint = models.CharField(max_length=16, blank=True, default="")
    schema_version = models.PositiveIntegerField(default=0)
    content_type = models.ForeignKey(
        ContentType, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    object_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - null with the type: no object
    domain_object = GenericForeignKey("content_type", "object_id")
    summary = models.JSONField(null=True, blank=True)
    persisted_at = models.DateTimeField(default=timezone.now)

    objects = PersistedChunkQuerySet.as_manager()

    if TYPE_CHECKING:
        objects_touched: RelatedManager[PersistedObject]

    class Meta:
        db_table = "persisted_chunk"
        ordering = ("-persisted_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("call_id", "schema_identity", "part"), name="chunk_idempotency"),
        )
        indexes = (
            models.Index(fields=("content_type", "object_id"), name="chunk_object"),
            models.Index(fields=("-persisted_at",), name="chunk_newest"),
        )

    def __str__(self) -> str:
        return f"{self.schema_identity} of {self.call_id}{f' part {self.part}' if self.part else ''}"

    @property
    def reference(self) -> Reference | None:
        """The primary object, whether it still exists or not; None when there is none."""
        return reference(self.content_type, self.object_id)

    @property
    def is_complete(self) -> bool:
        """False for a chunk that a handler opened outside the drain without linking anything (yet): the rows it
        stands for may be missing. The drain stamps its chunks with the handler's fingerprint."""
        return bool(self.handler_fingerprint) or self.object_id is not None or self.summary is not None


class ObjectRole(models.TextChoices):
    PRIMARY = "primary"
    RELATED = "related"


class ObjectAction(models.TextChoices):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


ObjectRow = tuple[int, str, str, str, str | None, str]
"""content_type_id, object_id, role, action, changes as JSON text or None, row_digest."""


ROWS_PER_INSERT = 1000
"""SQLite takes a limited number of parameters per statement."""


class PersistedObjectQuerySet(models.QuerySet["PersistedObject"]):
    def record(self, chunk: PersistedChunk, rows: Sequence[ObjectRow]) -> None:
        """Insert a row per object of a chunk; objects that are recorded already stay as they are. By hand, as above."""
        for start in range(0, len(rows), ROWS_PER_INSERT):
            some = rows[start : start + ROWS_PER_INSERT]
            values = ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(some))
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO persisted_object (chunk_id, content_type_id, object_id, role, action, changes,"  # noqa: S608
                    f" row_digest) VALUES {values} ON CONFLICT DO NOTHING",
                    [value for row in some for value in (chunk.pk, *row)],
                )


class PersistedObject(models.Model):
    """One object that a chunk created or changed; indexed by object, so that a domain row finds its call."""

    chunk = models.ForeignKey(PersistedChunk, on_delete=models.CASCADE, related_name="objects_touched")
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+", db_index=False)
    object_id = models.CharField(max_length=64)
    domain_object = GenericForeignKey("content_type", "object_id")
    role = models.CharField(max_length=16, choices=ObjectRole, default=ObjectRole.RELATED)
    action = models.CharField(max_length=16, choices=ObjectAction, default=ObjectAction.CREATED)
    changes = models.JSONField(
        null=True,
        blank=True,
        help_text="Of an updated row {column: [before, after]}, of a deleted one {column: [before, null]}.",
    )
    row_digest = models.CharField(
        max_length=16, blank=True, default="", help_text="The row as the call left it; empty where nobody looked."
    )

    objects = PersistedObjectQuerySet.as_manager()

    class Meta:
        db_table = "persisted_object"
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("chunk", "content_type", "object_id"), name="persisted_object_once"),
            models.UniqueConstraint(
                fields=("chunk",), condition=models.Q(role=ObjectRole.PRIMARY), name="persisted_object_one_primary"
            ),
        )
        indexes = (models.Index(fields=("content_type", "object_id"), name="persisted_object_lookup"),)

    def __str__(self) -> str:
        return f"{self.content_type_id}:{self.object_id} ({self.role})"

    @property
    def reference(self) -> Reference:
        """The object, whether it still exists or not."""
        return Reference(self.content_type, self.object_id)


class PersistedPartQuerySet(models.QuerySet["PersistedPart"]):
    def of_result(self, call_id: str, schema_identity: str) -> PersistedPartQuerySet:
        return self.filter(call_id=call_id, schema_identity=schema_identity)

    def charge(self, call_id: str, schema_identity: str, part: str, error: str, *, limit: int) -> PersistedPart:
        """Count a failure of one part; at `limit` it is dead."""
        row, _ = self.get_or_create(call_id=call_id, schema_identity=schema_identity, part=part)
        row.attempts, row.error = row.attempts + 1, error
        row.is_dead, row.failed_at = row.attempts >= limit, timezone.now()
        row.save()
        return row


class PersistedPart(models.Model):
    """A part of a result that failed so far; removed when it was persisted. What succeeded is a chunk."""

    call_id = models.CharField(max_length=64)
    schema_identity = models.CharField(max_length=255)
    part = models.CharField(max_length=128)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    is_dead = models.BooleanField(default=False)
    failed_at = models.DateTimeField(default=timezone.now)

    objects = PersistedPartQuerySet.as_manager()

    class Meta:
        db_table = "persisted_part"
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("call_id", "schema_identity", "part"), name="part_once"),)

    def __str__(self) -> str:
        return f"part {self.part} of {self.call_id}"


class DrainWake(models.Model):
    """One row: when a drain was last asked for that has not begun. So at most one waits on the broker."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "drain_wake"

    def __str__(self) -> str:
        return f"asked at {self.asked_at}" if self.asked_at else "not asked"

    @classmethod
    def ask(cls, *, expires: timedelta, now: datetime | None = None) -> bool:
        """True for the one who must send the task; a request older than `expires` counts as lost."""
        moment = now or timezone.now()
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
        """A drain begins. What commits before this, it will see; whoever commits later asks again."""
        cls.objects.filter(asked_at__isnull=False).update(asked_at=None)


class BulkState(models.TextChoices):
    """queued → running → done; queued | running ⇄ paused; any of the three → aborted."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    ABORTED = "aborted"


class BulkKind(models.TextChoices):
    PERSIST = "persist"
    REVERT = "revert"


class BulkRun(models.Model):
    """One operation over a frozen list of calls. The rows of the list are its items."""

    kind = models.CharField(max_length=16, choices=BulkKind)
    options = models.JSONField(default=dict, blank=True, help_text="policy, force")
    filter = models.JSONField(default=dict, blank=True, help_text="What was asked for, as it was asked.")
    state = models.CharField(max_length=16, choices=BulkState, default=BulkState.QUEUED)
    total = models.PositiveIntegerField(default=0)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    leased_until = models.DateTimeField(null=True, blank=True, help_text="Until then a worker is at it.")
    lease_token = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "persistence_bulk_run"
        ordering = ("-id",)
        verbose_name = "bulk run"

    if TYPE_CHECKING:
        items: RelatedManager[BulkItem]

    def __str__(self) -> str:
        return f"{self.kind} of {self.total} calls"


class BulkItem(models.Model):
    """One call of a bulk run; `outcome` is empty until it was done. No foreign key: it outlives pruned calls."""

    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, related_name="items", db_index=False)
    call_id = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, blank=True, default="")
    counts = models.JSONField(null=True, blank=True, help_text="{action: rows}")
    error = models.TextField(blank=True, default="")
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "persistence_bulk_item"
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("run", "call_id"), name="bulk_item_once"),)
        indexes = (
            models.Index(fields=("run", "id"), condition=models.Q(outcome=""), name="bulk_item_open"),
            models.Index(fields=("run", "outcome"), name="bulk_item_outcome"),
        )

    def __str__(self) -> str:
        return f"{self.call_id}: {self.outcome or 'open'}"
