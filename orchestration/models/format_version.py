"""The version of what a row's JSON columns hold, so that code can tell how to read a row that other code wrote.

A change of such a column's structure is a new version: the code that reads it knows both. It is released before the
code that writes it, because processes of both run side by side during an upgrade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from orchestration.errors import WrittenByNewerVersion

FIRST = 1
"""Of rows that name none, too: they are older than the versions."""

if TYPE_CHECKING:
    Small = models.SmallIntegerField[int | None, int | None]
else:
    Small = models.SmallIntegerField


class FormatVersionField(Small):
    """New rows get the version `written`; this code reads them up to `known`. A plain, empty integer in migrations: so
    an older version that still runs can insert, and no table is rebuilt or read. (A positive one has a check, for which
    PostgreSQL reads all rows.)"""

    def __init__(self, written: int = FIRST, known: int | None = None, **options: Any) -> None:
        self.known = written if known is None else known
        options |= {"null": True, "blank": True, "editable": False}
        super().__init__(default=written, **options)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _, args, options = super().deconstruct()
        del options["default"]
        return name, "django.db.models.SmallIntegerField", args, options


def refuse_newer(row: models.Model) -> None:
    """WrittenByNewerVersion when a row has a format that this code does not know."""
    field: Any = row._meta.get_field("format_version")
    refuse_newer_format(f"{row._meta.verbose_name} {row.pk}", field.value_from_object(row), field.known)


def refuse_newer_format(what: str, written: object, known: int) -> None:
    """WrittenByNewerVersion when `written`, the version that is stored, is above `known`; the first may be missing."""
    if isinstance(written, int) and written > known:
        raise WrittenByNewerVersion(
            f"{what[:1].upper()}{what[1:]} was written by a newer version (format {written}; this process knows"
            f" {known}): upgrade this process."
        )
