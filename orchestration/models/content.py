"""Images, audio and files of messages: each once, by its digest, with a row for everything that refers to it."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.conf import settings
from django.db import models
from django.db.models import Q

from orchestration.clock import database_now
from orchestration.models.audits import AIRequestAudit
from orchestration.models.calls import ServiceCallRecord
from orchestration.models.tool_runs import ToolRun
from orchestration.values.moments import MomentField


class ContentFile(models.Model):
    """Bytes in the storage. They are removed with their row, once no use is left (`orchestration/content/removal.py`).

    Each row has a file of its own: one that is stored again while its predecessor is removed is another file.
    """

    digest = models.CharField(primary_key=True, max_length=64, help_text="SHA-256 of the bytes, in hex digits.")
    size = models.PositiveIntegerField(help_text="In bytes.")
    media_type = models.CharField(max_length=64, help_text="As its first bytes say.")
    pixels = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Of an image, as its header says; empty when it does not."
    )
    path = models.CharField(max_length=255, help_text="Its name in the storage.")
    stored_at = MomentField(default=database_now, help_text="When it was last asked for to be stored.")

    class Meta:
        db_table = "content_file"
        ordering = ("-stored_at", "digest")
        verbose_name = "content of messages"
        verbose_name_plural = "contents of messages"
        indexes = (models.Index(fields=("stored_at",), name="content_stored_at"),)

    def __str__(self) -> str:
        return f"{self.media_type} {self.digest[:12]}"


OWNERS = ("call", "request", "tool_run", "uploaded_by")
"""The columns that say whose a use is."""


def _one_of(columns: tuple[str, ...]) -> Q:
    """Just one of these columns has a value."""
    alone = [Q(**{f"{name}__isnull": name != column for name in columns}) for column in columns]
    return reduce(or_, alone)


class ContentUse(models.Model):
    """One call, request or run of a tool whose JSON refers to a content; or an upload that waits for such a one."""

    content = models.ForeignKey(ContentFile, on_delete=models.PROTECT, related_name="uses")
    call = models.ForeignKey(
        ServiceCallRecord,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="content_uses",
        db_index=False,
        db_constraint=False,  # making it would lock a table that all workers write
        help_text="Its input, its context or the messages that it was given refer to the content.",
    )
    request = models.ForeignKey(
        AIRequestAudit,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="content_uses",
        db_index=False,
        db_constraint=False,
        help_text="Its messages do.",
    )
    tool_run = models.ForeignKey(
        ToolRun,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="content_uses",
        db_index=False,
        db_constraint=False,
        help_text="Its result does.",
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="Who brought it in, for a day to refer to it.",
    )
    kind = models.CharField(max_length=16, help_text="image, audio or file.")
    name = models.CharField(max_length=255, blank=True, default="", help_text="As it was called there.")
    added_at = MomentField(default=database_now)

    class Meta:
        db_table = "content_use"
        ordering = ("id",)
        verbose_name = "use of a content"
        verbose_name_plural = "uses of contents"
        constraints = (
            models.CheckConstraint(condition=_one_of(OWNERS), name="content_use_of_one"),
            *(
                models.UniqueConstraint(
                    fields=(owner, "content"), condition=Q(**{f"{owner}__isnull": False}), name=f"content_use_{owner}"
                )
                for owner in OWNERS
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.content_id[:12]}"
