"""How rows look in a file: CSV, XLSX, JSON, JSON Lines, and JSON Lines of dialogues for fine-tuning.

A file is made of parts: rows are written to a part, and later the parts are put together, each read once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.files import File
from openpyxl.workbook.workbook import Workbook
from openpyxl.writer.excel import ExcelWriter

from orchestration.types import JsonObject
from persistence.errors import BulkRefused
from persistence.exports.cells import Cells, as_json, for_csv, for_xlsx, row_as_json
from persistence.exports.registry import Dialogue, Exporter, exporter
from persistence.foreign_code import attempt

GIGABYTE = 1_000_000_000


@dataclass(slots=True)
class Written:
    """What became of some rows, by key."""

    keys: set[str] = field(default_factory=set)
    """They are in the file."""
    failed: dict[str, str] = field(default_factory=dict)
    """They are not, and why: the column and the reason, never a value."""
    changed: dict[str, str] = field(default_factory=dict)
    """They are, but not as they are stored: the columns, and what the format could not hold."""


class Format:
    """JSON Lines: an object a row."""

    extension = "jsonl"
    max_bytes: int | None = None
    """Of all parts that a file is put together of; None: any number."""

    def __init__(self, columns: list[Any]) -> None:
        """`columns`: fields of an import-export resource."""
        self.columns = columns

    def write_part(self, part: TextIO, rows: Iterable[Any]) -> Written:
        """Write some rows. One that cannot be written is left out, and the others are written."""
        written = Written()
        for row in rows:
            key, cells = str(row.pk), Cells(row)
            line, failure = attempt(partial(self.line, cells))
            if line is None:
                written.failed[key] = f"Column {cells.column}: {failure}"
                continue
            part.write(line)
            written.keys.add(key)
            if cells.changes:
                written.changed[key] = cells.as_text()
        return written

    def line(self, cells: Cells) -> str:
        """A row as text that UTF-8 can hold."""
        return row_as_json({field.column_name: cells.read(field) for field in self.columns}, cells)

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

    def line(self, cells: Cells) -> str:
        cells.column = "messages"
        found = self.dialogue(cells.row)
        return "" if found is None else as_json(found, cells)


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

    def line(self, cells: Cells) -> str:
        text = io.StringIO(newline="")
        csv.writer(text).writerow([for_csv(cells.read(field), cells) for field in self.columns])
        return text.getvalue()

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

    def line(self, cells: Cells) -> str:
        return as_json([for_xlsx(cells.read(field), cells) for field in self.columns], cells)

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
    """What a run's options name: `{"exporter", "format", "content", "columns"}`; BulkRefused when there is no such
    thing. A run without columns has all that there are."""
    found, kind = exporter(options["exporter"]), FORMATS[options["format"]]
    if kind is not Dialogues:
        columns = found.columns(content=bool(options.get("content")), named=options.get("columns", ()))
        return found, kind(columns)
    if found.dialogue is None:
        raise BulkRefused(f"There are no dialogues in {found.name}.")
    return found, Dialogues([], found.dialogue)
