"""`StreamChunk`: pieces of an answer that is being written, for whoever listens; deleted when the call has ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Self

from django.db import models

from orchestration.clock import database_now
from orchestration.models.calls import ServiceCallRecord
from orchestration.models.states import TERMINAL
from orchestration.values.moments import MomentField

KEPT = timedelta(hours=1)
"""Of a call whose worker died, and whose next worker did not see to them. A stream is never that old."""


class StreamChunkQuerySet(models.QuerySet["StreamChunk"]):
    def of_calls(self, call_ids: Iterable[str]) -> Self:
        return self.filter(call_id__in=list(call_ids))

    def outlived(self) -> Self:
        """What nobody listens to."""
        return self.filter(models.Q(created_at__lt=database_now() - KEPT) | models.Q(call__status__in=TERMINAL))


class StreamChunk(models.Model):
    """A piece of what a model says. The stored answer is the truth, not these."""

    call = models.ForeignKey(
        ServiceCallRecord,
        on_delete=models.CASCADE,
        related_name="stream_chunks",
        db_index=False,
        db_constraint=False,  # making it would lock a table that is never idle
    )
    attempt = models.PositiveIntegerField()
    repair = models.PositiveIntegerField(default=0)
    part = models.PositiveIntegerField(default=0, help_text="Which of the texts that the answer has, from 0.")
    text = models.TextField(blank=True, default="")
    is_discarded = models.BooleanField(default=False, help_text="What was said before in this attempt does not count.")
    created_at = MomentField(default=database_now)

    objects = StreamChunkQuerySet.as_manager()

    class Meta:
        db_table = "stream_chunk"
        ordering = ("id",)
        verbose_name = "piece of a stream"
        verbose_name_plural = "pieces of streams"
        indexes = (
            models.Index(fields=("call", "id"), name="stream_chunk_call"),
            models.Index(fields=("created_at",), name="stream_chunk_age"),
        )

    def __str__(self) -> str:
        return f"piece {self.pk} of call {self.call_id}"
