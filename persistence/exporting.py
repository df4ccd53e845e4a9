"""Rows out as CSV, XLSX, JSON, JSONL, and JSONL dialogues for fine-tuning.

Page by page from a frozen list, so memory is bounded, whatever the number of rows.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Protocol

from django.core.files import File
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules
from import_export.resources import ModelResource
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.workbook.workbook import Workbook

from orchestration.spreadsheets import escaped
from orchestration.types import JsonObject
from persistence.errors import BulkRefused
from persistence.models import BulkRun, BulkState

ROWS_AT_ONCE = 500
FOLDER = "exports"
KEPT_FOR = timedelta(days=7)
MAX_CELL = 32_767
"""Characters that a cell of XLSX can hold."""

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


# --- formats --------------------------------------------------------------------------------


class Writer(Protocol):
    """Takes rows one by one and leaves a finished file behind."""

    def write(self, row: Any) -> None: ...

    def close(self) -> None: ...


class CsvWriter:
    """UTF-8 with a byte order mark, so that spreadsheets see it is; what they would run is escaped."""

    def __init__(self, path: Path, columns: list[Any]) -> None:
        self.columns = columns
        self.file = path.open("w", encoding="utf-8-sig", newline="")
        self.csv = csv.writer(self.file)
        self.csv.writerow([field.column_name for field in columns])

    def write(self, row: Any) -> None:
        self.csv.writerow([cell(field, row) for field in self.columns])

    def close(self) -> None:
        self.file.close()


class XlsxWriter:
    """One sheet, streamed; cells are cut at what the format can hold, and say so."""

    def __init__(self, path: Path, columns: list[Any]) -> None:
        self.path, self.columns = path, columns
        self.book = Workbook(write_only=True)
        self.sheet = self.book.create_sheet("rows")
        self.sheet.append([field.column_name for field in columns])

    def write(self, row: Any) -> None:
        self.sheet.append([_fitting(cell(field, row)) for field in self.columns])

    def close(self) -> None:
        self.book.save(self.path)


class JsonWriter:
    """One array, or with `lines` one object per line."""

    def __init__(self, path: Path, columns: list[Any], *, lines: bool = False) -> None:
        self.columns, self.lines, self.count = columns, lines, 0
        self.file: IO[str] = path.open("w", encoding="utf-8")

    def write(self, row: Any) -> None:
        self.put({field.column_name: plain(field, row) for field in self.columns})

    def put(self, value: JsonObject) -> None:
        before = "" if self.lines else ",\n" if self.count else "[\n"
        after = "\n" if self.lines else ""
        self.file.write(before + json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder) + after)
        self.count += 1

    def close(self) -> None:
        if not self.lines:
            self.file.write("\n]\n" if self.count else "[]\n")
        self.file.close()


class DialogueWriter(JsonWriter):
    """JSONL for fine-tuning: a dialogue a line; rows that are none are left out."""

    def __init__(self, path: Path, dialogue: Dialogue) -> None:
        super().__init__(path, [], lines=True)
        self.dialogue = dialogue

    def write(self, row: Any) -> None:
        found = self.dialogue(row)
        if found is not None:
            self.put(found)


FORMATS = {"csv": "csv", "xlsx": "xlsx", "json": "json", "jsonl": "jsonl", "dialogues": "jsonl"}
"""Format to file extension; `dialogues` is for fine-tuning: `{"messages": [{role, content}, ...]}` a line."""


def _writer(kind: str, path: Path, found: Exporter, *, content: bool) -> Writer:
    columns = found.columns(content=content)
    if kind == "csv":
        return CsvWriter(path, columns)
    if kind == "xlsx":
        return XlsxWriter(path, columns)
    if kind == "dialogues":
        if found.dialogue is None:
            raise BulkRefused(f"There are no dialogues in {found.name}.")
        return DialogueWriter(path, found.dialogue)
    return JsonWriter(path, columns, lines=kind == "jsonl")


def plain(field: Any, row: Any) -> Any:
    """A column's value as JSON holds it."""
    value = field.get_value(row)
    return str(value) if isinstance(value, Model | Decimal) else value


def cell(field: Any, row: Any) -> Any:
    """A column's value as a spreadsheet holds it: text, number or nothing; JSON as text, times in ISO 8601."""
    value = field.get_value(row)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder)
    elif isinstance(value, datetime):
        value = value.isoformat()
    return escaped(str(value))


def _fitting(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    clean = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)
    return clean if len(clean) <= MAX_CELL else f"{clean[: MAX_CELL - 7]} (cut)"


# --- writing --------------------------------------------------------------------------------


def write_export(run: BulkRun, goes_on: Callable[[], bool]) -> int | None:
    """Write the file of an export from its frozen list, from the beginning; returns the rows that are in it.

    None when `goes_on` said to stop: then nothing is kept. Rows that went meanwhile are marked `gone`.
    """
    forget_old_exports()
    found, kind, content = exporter(run.options["exporter"]), run.options["format"], bool(run.options.get("content"))
    run.items.exclude(outcome="").update(outcome="")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{FORMATS[kind]}"
        with closing(_writer(kind, path, found, content=content)) as writer:
            for keys in _pages(run):
                if not goes_on():
                    return None
                rows = {str(row.pk): row for row in found.rows(content=content).filter(pk__in=keys)}
                for key in keys:
                    if key in rows:
                        writer.write(rows[key])
                run.items.filter(call_id__in=rows).update(outcome="written")
                run.items.filter(call_id__in=[key for key in keys if key not in rows]).update(outcome="gone")
        with path.open("rb") as written:
            run.file = default_storage.save(f"{FOLDER}/{found.name}-{run.pk}.{FORMATS[kind]}", File(written))
    run.save(update_fields=["file"])
    return run.items.filter(outcome="written").count()


def _pages(run: BulkRun) -> Iterator[list[str]]:
    last = 0
    while items := list(run.items.filter(pk__gt=last).order_by("pk").values_list("pk", "call_id")[:ROWS_AT_ONCE]):
        last = items[-1][0]
        yield [key for _, key in items]


def forget_old_exports() -> int:
    """Remove files that are older than a week; returns how many."""
    old = BulkRun.objects.filter(finished_at__lt=timezone.now() - KEPT_FOR, state=BulkState.DONE).exclude(file="")
    for run in old:
        default_storage.delete(run.file)
        run.file = ""
        run.save(update_fields=["file"])
    return len(old)
