"""Cached answers, encrypted; each is used for its own owner only."""

from __future__ import annotations

from typing import Self

from django.db import models

from orchestration.clock import database_now
from orchestration.values.moments import MomentField


class CacheEntryQuerySet(models.QuerySet["CacheEntry"]):
    def of_user(self, user_id: int | str) -> Self:
        return self.filter(user_id=str(user_id))

    def fresh(self) -> Self:
        """Those that have not expired."""
        return self.filter(expires_at__gt=database_now())

    def expired(self) -> Self:
        return self.filter(expires_at__lte=database_now())


class CacheEntry(models.Model):
    """The answer to one question of one owner."""

    user_id = models.CharField(max_length=64)
    """The owner of the key that asked."""
    key = models.CharField(max_length=64, unique=True)
    """SHA-256 over owner, model, messages and every parameter that changes the answer."""
    model = models.CharField(max_length=128)
    scope = models.CharField(max_length=64, blank=True)
    """SHA-256 over all that questions of the same meaning have in common; empty: it is not compared by meaning."""
    wording = models.CharField(max_length=33, blank=True)
    """Digest of the question's words and all that is around them; empty: it is only compared exactly."""
    embedder = models.CharField(max_length=128, blank=True)
    """The embedder that made the vector; vectors of different embedders are not compared."""
    embedding = models.BinaryField(null=True)
    """float32, little-endian, of length 1; of the last user message."""
    answer_enc = models.BinaryField()
    """The answer as a `chat.completion`, encrypted."""
    key_id = models.CharField(max_length=16, db_index=True)
    """Which encryption key wrote it."""
    hits = models.PositiveIntegerField(default=0)
    created_at = MomentField(default=database_now)
    expires_at = MomentField()
    last_used_at = MomentField(default=database_now)

    objects = CacheEntryQuerySet.as_manager()

    class Meta:
        db_table = "gateway_cache_entry"
        ordering = ("-id",)
        verbose_name_plural = "cache entries"
        indexes = (
            models.Index(fields=("user_id", "last_used_at"), name="cache_entry_least_used"),
            models.Index(fields=("user_id", "scope"), name="cache_entry_scope"),
            models.Index(fields=("user_id", "wording"), name="cache_entry_wording"),
            models.Index(fields=("expires_at",), name="cache_entry_expiry"),
        )

    def __str__(self) -> str:
        return f"answer {self.pk} of {self.model}"
