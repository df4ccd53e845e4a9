"""What can be exported, and by whom: each app's `exports` module registers its own. How files are written is told
elsewhere (persistence/export_work.py), so that whoever only asks need not load what writes spreadsheets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.module_loading import autodiscover_modules
from import_export.resources import ModelResource

from orchestration.types import JsonObject
from persistence.errors import BulkRefused

Dialogue = Callable[[Any], JsonObject | None]
"""A row as `{"messages": [{role, content}, ...]}`; None when it is no whole dialogue."""


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
    """Needs the permission to read content, too."""

    def columns(self, *, content: bool) -> list[Any]:
        """The resource's fields, without content when that is not wanted."""
        return [
            field for field in self.resource().get_export_fields() if content or field.column_name not in self.content
        ]

    def rows(self, *, content: bool) -> QuerySet[Any]:
        """All rows, without columns that nobody asked for."""
        rows = self.model._default_manager.select_related(*self.related)
        own = {field.name for field in self.model._meta.concrete_fields}
        return rows if content else rows.defer(*(self.content & own))


_exporters: dict[str, Exporter] = {}


def add_exporter(exporter: Exporter) -> Exporter:
    """Make a model's rows exportable; the same name again replaces it."""
    _exporters[exporter.name] = exporter
    return exporter


def exporter(name: str) -> Exporter:
    """BulkRefused when nobody exports under this name any more."""
    found = _registered().get(name)
    if found is None:
        raise BulkRefused(f"Nothing is exported as {name!r}.")
    return found


def permission_to_export(name: str) -> str | None:
    """What exporting under this name needs; None when nobody exports so any more."""
    found = _registered().get(name)
    return found.permission if found else None


def _registered() -> dict[str, Exporter]:
    """With those of every app's `exports` module: a worker, which writes the files, has not loaded the admin."""
    autodiscover_modules("exports")
    return _exporters
