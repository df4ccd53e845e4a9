"""The progress of retention in the admin."""

from __future__ import annotations

from django.contrib import admin

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.theme.parts import display
from orchestration.theme.words import moment
from persistence.models.retention import RetentionHeld, RetentionMark


@admin.register(RetentionMark)
class RetentionMarkAdmin(ReadOnlyAdmin):
    list_display = ("kind", "walked_until")
    list_display_links = None

    @display(description="Removed or held until")
    def walked_until(self, mark: RetentionMark) -> str:
        return moment(mark.until)


@admin.register(RetentionHeld)
class RetentionHeldAdmin(ReadOnlyAdmin):
    """Rows whose content was old enough to go, and stays because their call is not finished with."""

    list_display = ("kind", "row_id")
    list_display_links = None
    ordering = ("-id",)
    sortable_by = ()
