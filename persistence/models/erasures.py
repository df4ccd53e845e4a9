"""What was erased about somebody, by whom and why: the report stays when the content is gone."""

from __future__ import annotations

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import models

from orchestration.clock import database_now
from orchestration.values.generic_refs import Reference, reference
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField


class Erasure(models.Model):
    """One erasure of what is stored about an object or a person. It names the subject by its key alone."""

    subject_type = models.ForeignKey(
        ContentType, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    subject_id = models.CharField(max_length=64)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    reason = models.CharField(max_length=500, blank=True, default="")
    rows = StoredJSONField(default=dict, blank=True)
    """Rows whose content was purged so far, by kind."""
    held = StoredJSONField(default=list, blank=True)
    """Calls that were not finished with at the end, the first thousand; their content is still there."""
    held_count = models.PositiveIntegerField(default=0)
    """Such calls, and such rows of apps."""
    created_at = MomentField(default=database_now, editable=False)
    finished_at = MomentField(null=True, blank=True)

    class Meta:
        db_table = "persistence_erasure"
        ordering = ("-id",)
        permissions = (("erase_subject", "Can erase what is stored about a person or an object"),)

    def __str__(self) -> str:
        return f"erasure {self.pk} of {self.label}"

    @property
    def subject(self) -> Reference | None:
        """Who it is about; None when that kind of object no longer exists."""
        return reference(self.subject_type, self.subject_id)

    @property
    def label(self) -> str:
        """`user 7`"""
        return self.subject.label if self.subject else self.subject_id
