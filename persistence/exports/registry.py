"""What can be exported, and by whom: each app's `exports` module registers its own. `persistence/exports/worker.py`
writes the files, so that code that only lists exports need not load the spreadsheet libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.db.models import Model, QuerySet
from django.utils.module_loading import autodiscover_modules

from orchestration.types import JsonObject
from orchestration.values import file_formats
from persistence.bulk.rights import needs_permissions
from persistence.errors import BulkRefused
from persistence.foreign_code import attempt
from persistence.models.bulk import EXPORT

if TYPE_CHECKING:
    from import_export.resources import ModelResource

VIEW_CONTENT = "orchestration.view_content"
Dialogue = Callable[[Any], JsonObject | None]
"""A row as `{"messages": [{role, content}, ...]}`; None when it is not a whole dialogue."""


@dataclass(frozen=True, slots=True)
class FormatColumn:
    """The column that says which version of the file's format wrote a row; the last one."""

    version: int
    column_name: str = file_formats.NAME

    def get_value(self, row: Any) -> int:
        return self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """What can be exported of a model, and by whom."""

    name: str
    model: type[Model]
    permission: str
    """`app.codename`."""
    resource: type[ModelResource]
    """Its fields are the columns."""
    content: frozenset[str] = frozenset()
    """Columns that need the permission to read content, and to be asked for."""
    related: tuple[str, ...] = ()
    """For select_related."""
    dialogue: Dialogue | None = None
    """Needs the permission to read content, too. Such files have no version: their format is not ours."""
    file_format: int = file_formats.FIRST
    """One more when a column gets another meaning, for whoever reads files of both."""

    def columns(self, *, content: bool, named: Sequence[str] = ()) -> list[Any]:
        """The resource's fields, without content when that is not wanted, and the version of the file's format; those
        that are `named`, in that order.

        BulkRefused for a name that is not a column: another version of the code froze the list.
        """
        fields: list[Any] = [
            field for field in self.resource().get_export_fields() if content or field.column_name not in self.content
        ]
        fields.append(FormatColumn(self.file_format))
        by_name = {field.column_name: field for field in fields}
        if missing := [name for name in named if name not in by_name]:
            raise BulkRefused(
                f"{self.name} has no column {', '.join(missing)} here: another version began this export. Upgrade this"
                " process, or export again."
            )
        return [by_name[name] for name in named] or fields

    def rows(self, *, content: bool) -> QuerySet[Any]:
        """All rows, without columns that nobody asked for."""
        rows = self.model._default_manager.all()
        if self.related:
            rows = rows.select_related(*self.related)
        own = {field.name for field in self.model._meta.concrete_fields}
        return rows if content else rows.defer(*(self.content & own))

    def read(self, keys: Sequence[str], *, content: bool) -> tuple[list[Any], dict[str, str]]:
        """These rows by their keys, and of those that cannot be read, why; what is gone is in neither.

        All are read at once: a cursor that stays open while a row fails keeps SQLite locked for everybody else.
        """
        rows = self.rows(content=content).order_by("pk")
        whole, failure = attempt(lambda: list(rows.filter(pk__in=keys)))
        if whole is not None:
            return whole, {}
        if len(keys) == 1:
            return [], {keys[0]: f"It cannot be read: {failure}"}
        found: list[Any] = []
        failed: dict[str, str] = {}
        for key in keys:
            some, why = self.read([key], content=content)
            found += some
            failed |= why
        return found, failed


_exporters: dict[str, Exporter] = {}


def add_exporter(exporter: Exporter) -> Exporter:
    """Make a model's rows exportable; the same name again replaces it."""
    _exporters[exporter.name] = exporter
    return exporter


def exporter(name: str) -> Exporter:
    """BulkRefused when nobody exports under this name."""
    found = _registered().get(name)
    if found is None:
        raise BulkRefused(f"Nothing is exported as {name!r}.")
    return found


def permission_to_export(name: str) -> str | None:
    """What exporting under this name needs; None when nobody exports under it."""
    found = _registered().get(name)
    return found.permission if found else None


def permissions_to_export(options: JsonObject) -> tuple[str, ...]:
    """What an export with these options needs: the permission to export such rows, and to read content where that is in
    the file. That of nobody when nobody exports under this name: then there is nothing to be had."""
    needed = permission_to_export(str(options.get("exporter", "")))
    return tuple(filter(None, (needed, VIEW_CONTENT if options.get("content") else "")))


needs_permissions(EXPORT, permissions_to_export)


def _registered() -> dict[str, Exporter]:
    """With our own and those of every app's `exports` module: a worker, which writes the files, has not loaded them."""
    import_module("persistence.exports.resources")
    autodiscover_modules("exports")
    return _exporters
