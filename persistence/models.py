"""The idempotency row of each persisted result (or part of one), and every object it touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


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


class ObjectRole(models.TextChoices):
    PRIMARY = "primary"
    RELATED = "related"


class ObjectAction(models.TextChoices):
    CREATED = "created"
    UPDATED = "updated"


class PersistedObject(models.Model):
    """One object that a chunk created or changed; indexed by object, so that a domain row finds its call."""

    chunk = models.ForeignKey(PersistedChunk, on_delete=models.CASCADE, related_name="objects_touched")
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+", db_index=False)
    object_id = models.CharField(max_length=64)
    domain_object = GenericForeignKey("content_type", "object_id")
    role = models.CharField(max_length=16, choices=ObjectRole, default=ObjectRole.RELATED)
    action = models.CharField(max_length=16, choices=ObjectAction, default=ObjectAction.CREATED)
    changes = models.JSONField(null=True, blank=True)

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
