"""How rows look in a file: CSV, XLSX, JSON, JSON Lines, and JSON Lines of dialogues for fine-tuning.

A file is made of parts: rows are written to a part, and later the parts are put together, each read once.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.files import File
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.workbook.workbook import Workbook
from openpyxl.writer.excel import ExcelWriter

from orchestration.spreadsheets import escaped
from orchestration.types import JsonObject
from persistence.errors import BulkRefused
from persistence.exporting import Dialogue, Exporter, exporter

MAX_CELL = 32_767
"""Characters that a cell of XLSX can hold."""
GIGABYTE = 1_000_000_000


class Format:
    """JSON Lines: an object a row."""

    extension = "jsonl"
    max_bytes: int | None = None
    """Of all parts that a file is put together of; None: any number."""

    def __init__(self, columns: list[Any]) -> None:
        """`columns`: fields of an import-export resource."""
        self.columns = columns

    def write_part(self, part: TextIO, rows: Iterable[Any]) -> set[str]:
        """Write some rows; returns their keys."""
        keys = set()
        for row in rows:
            self.write_row(part, row)
            keys.add(str(row.pk))
        return keys

    def write_row(self, part: TextIO, row: Any) -> None:
        put_json(part, {field.column_name: plain(field, row) for field in self.columns})

    def assemble(self, parts: Iterator[File[bytes]], whole: BinaryIO) -> None:
        for part in parts:
            for chunk in part.chunks():
                whole.write(chunk)

    def refuse_beyond(self, size: int, rows: int) -> None:
        """BulkRefused when the parts of so many rows have more bytes than a file is put together of."""
        if self.max_bytes is not None and size > self.max_bytes:
            raise BulkRefused(
                f"{rows:,} rows of {size / GIGABYTE:.1f} GB are too much for {self.extension.upper()}, which is put"
                f" together in one go: {self.max_bytes / GIGABYTE:.0f} GB at most. Choose CSV, or fewer rows."
            )


class Dialogues(Format):
    """For fine-tuning: a dialogue a line; rows that are none are left out."""

    def __init__(self, columns: list[Any], dialogue: Dialogue) -> None:
        super().__init__(columns)
        self.dialogue = dialogue

    def write_row(self, part: TextIO, row: Any) -> None:
        found = self.dialogue(row)
        if found is not None:
            put_json(part, found)


class Json(Format):
    """One array."""

    extension = "json"

    def assemble(self, parts: Iterator[File[bytes]], whole: BinaryIO) -> None:
        before = b"["
        for part in parts:
            for line in part:
                whole.write(before + b"\n" + line.rstrip(b"\n"))
                before = b","
        whole.write(b"\n]\n" if before == b"," else b"[]\n")


class Csv(Format):
    """UTF-8 with a byte order mark, so that spreadsheets see it is; what they would run is escaped."""

    extension = "csv"

    def write_row(self, part: TextIO, row: Any) -> None:
        csv.writer(part).writerow([cell(field, row) for field in self.columns])

    def assemble(self, parts: Iterator[File[bytes]], whole: BinaryIO) -> None:
        header = ",".join(field.column_name for field in self.columns)
        whole.write(f"{header}\r\n".encode("utf-8-sig"))
        super().assemble(parts, whole)


class Xlsx(Format):
    """One sheet, streamed; cells are cut at what the format can hold, and say so.

    Measured: 7 µs a cell and 18 s a GB. So MAX_ROWS of 36 cells and `max_bytes` take 140 s of the 500 s of a task.
    """

    extension = "xlsx"
    max_bytes = 4 * GIGABYTE

    def write_row(self, part: TextIO, row: Any) -> None:
        put_json(part, [_fitting(cell(field, row)) for field in self.columns])

    def assemble(self, parts: Iterator[File[bytes]], whole: BinaryIO) -> None:
        book = Workbook(write_only=True)
        sheet = book.create_sheet("rows")
        sheet.append([field.column_name for field in self.columns])
        try:
            for part in parts:
                for line in part:
                    sheet.append(json.loads(line))
            with ZipFile(whole, "w", ZIP_DEFLATED, compresslevel=1) as archive:
                ExcelWriter(book, archive).save()
        finally:
            _clear(sheet)


def _clear(sheet: Any) -> None:
    """Remove the file of the sheet, which openpyxl leaves behind when the workbook is given up."""
    if not sheet.closed:
        sheet.close()
    Path(sheet._writer.out).unlink(missing_ok=True)


FORMATS: dict[str, type[Format]] = {"csv": Csv, "xlsx": Xlsx, "json": Json, "jsonl": Format, "dialogues": Dialogues}
"""By the name that is asked for."""


def asked_for(options: JsonObject) -> tuple[Exporter, Format]:
    """What a run's options name: `{"exporter", "format", "content"}`; BulkRefused when there is no such thing."""
    found, kind = exporter(options["exporter"]), FORMATS[options["format"]]
    if kind is not Dialogues:
        return found, kind(found.columns(content=bool(options.get("content"))))
    if found.dialogue is None:
        raise BulkRefused(f"There are no dialogues in {found.name}.")
    return found, Dialogues([], found.dialogue)


def put_json(part: TextIO, value: object) -> None:
    """On a line of its own."""
    part.write(json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder) + "\n")


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
