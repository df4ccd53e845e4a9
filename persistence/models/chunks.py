"""The idempotency row of each persisted result (or part of one), and every object it touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.contrib.contenttypes.models import ContentType
from django.db import connection, models

from orchestration.clock import database_now
from orchestration.models.format_version import FormatVersionField
from orchestration.models.prepared_sql import Statement, run_together
from orchestration.values.generic_refs import ObjectKey, Reference, reference
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField
from orchestration.values.uuid_keys import UuidTextField

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


MAX_KEY = 255
"""Characters of an object's primary key as text (`orchestration.values.generic_refs.key_text`)."""
GONE_MODEL = "The model as `app.model`, when its content type was deleted."


class PersistedChunkQuerySet(models.QuerySet["PersistedChunk"]):
    """`insertion` and `closing` are written by hand: they run for every result, and building them with the ORM costs
    four times what running them does."""

    def open(self, chunk: PersistedChunk) -> tuple[PersistedChunk, bool]:
        """Insert an unsaved chunk unless its key is taken; returns (the stored chunk, whether it is this one).

        Waits for a transaction that is inserting the same key.
        """
        insert = self.insertion(chunk)
        with connection.cursor() as cursor:
            cursor.execute(insert.sql, insert.params)
            row = cursor.fetchone()
        return self.opened(chunk, row[0] if row is not None else None)

    def insertion(self, chunk: PersistedChunk, *, only_if: str = "TRUE") -> Statement:
        """Inserts a chunk unless its key is taken or a condition does not hold, and returns its id."""
        return Statement(
            "INSERT INTO persisted_chunk (call_id, schema_identity, part, namespace, handler_identity,"
            " handler_fingerprint, schema_version, format_version, persisted_at)"
            f" SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s WHERE {only_if}"
            " ON CONFLICT (call_id, schema_identity, part) DO NOTHING RETURNING id",
            [
                chunk.call_id,
                chunk.schema_identity,
                chunk.part,
                chunk.namespace,
                chunk.handler_identity,
                chunk.handler_fingerprint,
                chunk.schema_version,
                chunk.format_version,
                connection.ops.adapt_datetimefield_value(chunk.persisted_at),
            ],
        )

    def opened(self, chunk: PersistedChunk, key: int | None) -> tuple[PersistedChunk, bool]:
        """What `open` returns, when the insertion gave `key`."""
        if key is None:
            return self.get(call_id=chunk.call_id, schema_identity=chunk.schema_identity, part=chunk.part), False
        chunk.pk = key
        chunk._state.adding, chunk._state.db = False, connection.alias
        return chunk, True

    def closing(self, chunk: PersistedChunk) -> Statement:
        """Stores what is known after the handler ran: what it made, what it did besides, and which code it was."""
        return Statement(
            "UPDATE persisted_chunk SET content_type_id = %s, object_id = %s, summary = %s, unseen = %s, files = %s,"
            " handler_identity = %s, handler_fingerprint = %s WHERE id = %s",
            [
                chunk.content_type_id,
                chunk.object_id,
                *(
                    None if value is None else connection.ops.adapt_json_value(value, None)
                    for value in (chunk.summary, chunk.unseen, chunk.files)
                ),
                chunk.handler_identity,
                chunk.handler_fingerprint,
                chunk.pk,
            ],
        )


class PersistedChunk(models.Model):
    """What was persisted, once per (call, schema, part). No foreign key to the call: it outlives pruned calls."""

    call_id = UuidTextField(max_length=64)
    schema_identity = models.CharField(max_length=255)
    part = models.CharField(max_length=128, blank=True, default="")
    namespace = models.CharField(max_length=255)
    handler_identity = models.CharField(max_length=255, blank=True, default="")
    handler_fingerprint = models.CharField(max_length=16, blank=True, default="")
    schema_version = models.PositiveIntegerField(default=0)
    content_type = models.ForeignKey(
        ContentType, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    object_id = models.CharField(max_length=MAX_KEY, null=True, blank=True)  # noqa: DJ001 - null with the type: no object
    domain_object = ObjectKey("content_type", "object_id")
    gone_model = models.CharField(max_length=201, blank=True, default="", db_default="", help_text=GONE_MODEL)
    summary = StoredJSONField(null=True, blank=True)
    unseen = StoredJSONField(null=True, blank=True, help_text="Statements that no revert can undo: `VERB table`.")
    files = StoredJSONField(null=True, blank=True, help_text="What was saved in storages, as `{name: digest}`.")
    format_version = FormatVersionField(help_text="Of this row and of what it says of each object.")
    persisted_at = MomentField(default=database_now)

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
            models.Index(fields=("-persisted_at",), name="chunk_newest"),
            models.Index(fields=("schema_identity", "-persisted_at"), name="chunk_schema_newest"),
        )

    def __str__(self) -> str:
        return f"{self.schema_identity} of {self.call_id}{f' part {self.part}' if self.part else ''}"

    def note_outside(self, unseen: Sequence[str], files: Mapping[str, str]) -> bool:
        """Add what was done outside the rows that could be followed; whether there is anything."""
        self.unseen = list(dict.fromkeys([*(self.unseen or []), *unseen])) or None
        self.files = {**(self.files or {}), **files} or None
        return bool(unseen or files)

    @property
    def reference(self) -> Reference | None:
        """The primary object, whether it still exists or not; None when there is none."""
        return reference(self.content_type, self.object_id)

    @property
    def label(self) -> str:
        """The primary object, whatever became of it: `message 12`."""
        return self.reference.label if self.reference else f"{self.gone_model or 'unknown model'} {self.object_id}"

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
        """Insert a row per object of a chunk; objects that are recorded already stay as they are."""
        for statement in self.insertions(chunk, rows):
            run_together([statement])

    def insertions(self, chunk: PersistedChunk, rows: Sequence[ObjectRow]) -> list[Statement]:
        """The statements of `record`. By hand, as above."""
        batches = [rows[start : start + ROWS_PER_INSERT] for start in range(0, len(rows), ROWS_PER_INSERT)]
        return [
            Statement(
                "INSERT INTO persisted_object (chunk_id, content_type_id, object_id, role, action, changes,"  # noqa: S608
                f" row_digest) VALUES {', '.join(['(%s, %s, %s, %s, %s, %s, %s)'] * len(some))} ON CONFLICT DO NOTHING",
                [value for row in some for value in (chunk.pk, *row)],
            )
            for some in batches
        ]


class PersistedObject(models.Model):
    """One object that a chunk created or changed; indexed by object, so that a domain row finds its call."""

    chunk = models.ForeignKey(PersistedChunk, on_delete=models.CASCADE, related_name="objects_touched", db_index=False)
    content_type = models.ForeignKey(
        ContentType, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    object_id = models.CharField(max_length=MAX_KEY)
    domain_object = ObjectKey("content_type", "object_id")
    gone_model = models.CharField(max_length=201, blank=True, default="", db_default="", help_text=GONE_MODEL)
    role = models.CharField(max_length=16, choices=ObjectRole, default=ObjectRole.RELATED)
    action = models.CharField(max_length=16, choices=ObjectAction, default=ObjectAction.CREATED)
    changes = StoredJSONField(
        null=True,
        blank=True,
        help_text="Of an updated row {column: [before, after]}, of a deleted one {column: [before, null]}.",
    )
    row_digest = models.CharField(
        max_length=16,
        blank=True,
        default="",
        help_text="Digest of the row as the call left it; empty where it was not read.",
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
        indexes = (models.Index(fields=("object_id", "content_type", "-id"), name="persisted_object_newest"),)

    def __str__(self) -> str:
        return f"{self.content_type_id}:{self.object_id} ({self.role})"

    @property
    def reference(self) -> Reference | None:
        """The object, whether it still exists or not; None when its content type was deleted."""
        return reference(self.content_type, self.object_id)

    @property
    def model_name(self) -> str:
        """`app.model`, also when its content type was deleted."""
        kind = self.content_type
        return f"{kind.app_label}.{kind.model}" if kind else self.gone_model

    @property
    def label(self) -> str:
        """What it was about, whatever became of it: `message 12`."""
        return self.reference.label if self.reference else f"{self.gone_model or 'unknown model'} {self.object_id}"


def remember_model(sender: type[ContentType], instance: ContentType, **_: object) -> None:
    """A content type is about to be deleted: what points at it keeps the model's name."""
    name = f"{instance.app_label}.{instance.model}"
    for model in (PersistedChunk, PersistedObject):
        model._default_manager.filter(content_type=instance).update(gone_model=name)


class PersistedPartQuerySet(models.QuerySet["PersistedPart"]):
    def of_result(self, call_id: str, schema_identity: str) -> PersistedPartQuerySet:
        return self.filter(call_id=call_id, schema_identity=schema_identity)

    def charge(self, call_id: str, schema_identity: str, part: str, error: str, *, limit: int) -> PersistedPart:
        """Count a failure of one part; at `limit` it is dead."""
        row, _ = self.get_or_create(call_id=call_id, schema_identity=schema_identity, part=part)
        row.attempts, row.error = row.attempts + 1, error
        row.is_dead, row.failed_at = row.attempts >= limit, database_now()
        row.save()
        return row


class PersistedPart(models.Model):
    """A part of a result that failed so far; removed when it was persisted. What succeeded is a chunk."""

    call_id = UuidTextField(max_length=64)
    schema_identity = models.CharField(max_length=255)
    part = models.CharField(max_length=128)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    is_dead = models.BooleanField(default=False)
    failed_at = MomentField(default=database_now)

    objects = PersistedPartQuerySet.as_manager()

    class Meta:
        db_table = "persisted_part"
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("call_id", "schema_identity", "part"), name="part_once"),)

    def __str__(self) -> str:
        return f"part {self.part} of {self.call_id}"
