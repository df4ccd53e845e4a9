"""Searches of the list of calls that people keep under a name, for themselves or for everybody."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.deletion import Collector

from orchestration.clock import database_now
from orchestration.values.moments import MomentField

MOST_OF_ONE = 50
"""Searches that one person may keep."""


class SavedSearchQuerySet(models.QuerySet["SavedSearch"]):
    def shown_to(self, user: Any, *, content: bool) -> Self:
        """One's own, and the shared ones; of these not those that look for content that one may not read."""
        shared = Q(is_shared=True) if content else Q(is_shared=True, needs_content=False)
        return self.filter(Q(owner=user.pk) | shared)


def keep_shared(collector: Collector, field: Any, rows: SavedSearchQuerySet, using: str) -> None:
    """What becomes of the searches of a user who is deleted: others use the shared ones, nobody sees the rest."""
    models.SET_NULL(collector, field, rows.filter(is_shared=True), using)
    models.CASCADE(collector, field, rows.filter(is_shared=False), using)


class SavedSearch(models.Model):
    """What the list of calls was asked for. One that is saved under the same name again replaces it."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=keep_shared,
        related_name="+",
        db_index=False,
        help_text="Empty for a shared one whose owner was deleted.",
    )
    name = models.CharField(max_length=80)
    query = models.TextField(help_text="Search and filters, as the address of the list has them.")
    is_shared = models.BooleanField(default=False, help_text="Everybody who may see calls sees it.")
    needs_content = models.BooleanField(default=False, help_text="It names text of prompts, answers or errors.")
    created_at = MomentField(default=database_now, editable=False)

    objects = SavedSearchQuerySet.as_manager()

    class Meta:
        db_table = "saved_search"
        ordering = ("name", "id")
        verbose_name = "saved search"
        verbose_name_plural = "saved searches"
        constraints = (models.UniqueConstraint(fields=("owner", "name"), name="saved_search_name_once"),)

    def __str__(self) -> str:
        return self.name
