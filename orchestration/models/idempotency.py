"""Stored answers of the REST API, given again to a repeated request with the same `Idempotency-Key`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models

from orchestration.clock import database_now
from orchestration.values.moments import MomentField

KEPT_FOR = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=5)
"""A request that has no answer by then died with its process; the next one with its key takes its place."""


class ApiAnswerQuerySet(models.QuerySet["ApiAnswer"]):
    def outlived(self, now: datetime | None = None) -> Self:
        """What is too old to be given again, and what will never be answered."""
        moment = now or database_now()
        return self.filter(
            models.Q(created_at__lt=moment - KEPT_FOR)
            | models.Q(status__isnull=True, created_at__lt=moment - ABANDONED_AFTER)
        )


class ApiAnswer(models.Model):
    """One answered POST. Neither the key nor the answer can be read from the row: the answer is encrypted with a key
    that is made from the caller's own idempotency key, of which only a digest is stored."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    key_digest = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty while it is being answered.")
    body = models.BinaryField(null=True, blank=True)
    created_at = MomentField(default=database_now)

    objects = ApiAnswerQuerySet.as_manager()

    class Meta:
        db_table = "api_answer"
        constraints = (models.UniqueConstraint(fields=("user", "key_digest"), name="api_answer_once"),)
        indexes = (models.Index(fields=("created_at",), name="api_answer_age"),)

    def __str__(self) -> str:
        return f"answer {self.status or 'in flight'}"
