"""The file formats of imports and exports in the admin: CSV, XLSX, TSV and JSON, with errors that name the place."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from itertools import dropwhile
from typing import Any
from zipfile import BadZipFile, ZipFile

from import_export.formats import base_formats
from openpyxl.reader.excel import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from tablib.core import Dataset

from orchestration.values.spreadsheets import fitting

LONGEST_CELL = 1_000_000
"""Characters; the csv module's own limit is below that of a long prompt."""
BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
DELIMITERS = ",;\t"
MAX_ROWS = 10_000
MAX_COLUMNS = 200
MAX_UNPACKED = 50_000_000
"""Bytes of an XLSX, which is a ZIP: a few KB may hold gigabytes."""
Row = list[Any]
BLANK: Row = []


class FileRefused(ValueError):
    """The file cannot be read as rows; the message is for whoever sent it."""


def table(rows: Iterable[Row]) -> Dataset:
    """Rows, the first of which names the columns. Blank ones at the end do not count.

    FileRefused when a column has no name or the name of another one, or a row has more cells than there are columns.
    """
    lines = list(dropwhile(_is_blank, _bounded(rows)))
    while lines and _is_blank(lines[-1]):
        lines.pop()
    if not lines:
        raise FileRefused("The file is empty: its first row must name the columns.")
    if len(lines) > MAX_ROWS + 1:
        raise _too_many_rows()
    width = max(map(len, [_without_blank_end(lines[0]), *lines[1:]]))
    headers = [str(name).strip() if name is not None else "" for name in lines[0]][:width]
    found = Dataset(headers=_checked(headers))
    for number, row in enumerate(lines[1:], 1):
        if not _is_blank(row[len(headers) :]):
            raise FileRefused(f"Row {number} has {len(row)} cells, but there are {len(headers)} columns.")
        cells = [*row, *[""] * len(headers)][: len(headers)]
        for name, cell in zip(headers, cells, strict=True):
            if not _is_encodable(cell):
                raise FileRefused(f"Row {number}, column {name}: half a character (a lone surrogate) is not text.")
        found.append(cells)
    return found


def _bounded(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows without blank cells at their ends; FileRefused for one that no file of this kind has."""
    for number, row in enumerate(rows):
        shown = _without_blank_end(row)
        if number > MAX_ROWS and shown:
            raise _too_many_rows()
        if len(shown) > MAX_COLUMNS:
            raise FileRefused(f"Row {number} has {len(shown):,} cells; at most {MAX_COLUMNS} columns can be read.")
        yield shown if number else row[: MAX_COLUMNS + 1]  # a column without a name is a fault, if there is one


def _too_many_rows() -> FileRefused:
    return FileRefused(f"The file has more than {MAX_ROWS:,} rows. Divide it into several.")


def _is_encodable(cell: Any) -> bool:
    try:
        str(cell).encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked(headers: list[str]) -> list[str]:
    if not all(map(_is_encodable, headers)):
        raise FileRefused("The name of a column holds half a character (a lone surrogate).")
    if "" in headers:
        raise FileRefused(f"Column {headers.index('') + 1} has no name: the first row must name the columns.")
    doubled = sorted({name for name in headers if headers.count(name) > 1})
    if doubled:
        raise FileRefused(f"There is more than one column {', '.join(doubled)}.")
    return headers


def _is_blank(row: Row) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in row)


def _without_blank_end(row: Row) -> Row:
    """Blank rows are all one, for files of millions of them."""
    width = len(row)
    while width and _is_blank(row[width - 1 : width]):
        width -= 1
    return row[:width] if width else BLANK


def decoded(raw: bytes | str) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark; FileRefused names the line that is neither."""
    if isinstance(raw, str):
        return raw.removeprefix("\N{BYTE ORDER MARK}")
    encoding = next((name for bom, name in BOMS if raw.startswith(bom)), "utf-8")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FileRefused(
            f"Line {line} is not {encoding.removesuffix('-sig').upper()}: save the file as UTF-8"
            ' ("CSV UTF-8" in Excel), and send it again.'
        ) from None


def _delimited(text: str, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise FileRefused(f"Line {reader.line_num} cannot be read: {error}.") from None


def _delimiter(text: str) -> str:
    """Whatever there is most of in the first line, where only names of columns are."""
    header = re.sub('"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return max(DELIMITERS, key=header.count)


class Csv(base_formats.CSV):
    """With commas, semicolons or tabs between the cells."""

    def create_dataset(self, in_stream: bytes | str, **kwargs: Any) -> Dataset:
        text = decoded(in_stream)
        return table(_delimited(text, _delimiter(text)))

    def is_binary(self) -> bool:
        return True

    def get_read_mode(self) -> str:
        return "rb"


class Tsv(Csv, base_formats.TSV):
    """As CSV."""

    TABLIB_MODULE = base_formats.TSV.TABLIB_MODULE
    CONTENT_TYPE = base_formats.TSV.CONTENT_TYPE


class Json(base_formats.JSON):
    """A list of objects."""

    def create_dataset(self, in_stream: bytes | str, **kwargs: Any) -> Dataset:
        text = decoded(in_stream)
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise FileRefused(f"The file is not JSON: {error.msg} in line {error.lineno}.") from None
        except (ValueError, RecursionError):
            raise FileRefused("The file cannot be read: a number in it is too long, or it is too deep.") from None
        if not isinstance(rows, list):
            raise FileRefused('The file must be a list of objects, such as [{"provider": "openai", …}, …].')
        headers: dict[str, None] = {}
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                raise FileRefused(f"Row {number} is not an object with the columns as its keys.")
            headers |= dict.fromkeys(row)
            if len(headers) > MAX_COLUMNS:
                raise FileRefused(f"Its objects have more keys than at most {MAX_COLUMNS} columns can hold.")
        return table([list(headers), *([row.get(name) for name in headers] for row in rows)] if headers else [])

    def is_binary(self) -> bool:
        return True

    def get_read_mode(self) -> str:
        return "rb"


class Xlsx(base_formats.XLSX):
    """The first sheet. What a cell cannot hold goes out as near to it as can be."""

    def create_dataset(self, in_stream: bytes, **kwargs: Any) -> Dataset:
        try:
            with ZipFile(io.BytesIO(in_stream)) as packed:
                if sum(part.file_size for part in packed.infolist()) > MAX_UNPACKED:
                    raise FileRefused(f"The file is larger than {MAX_UNPACKED:,} bytes when it is unpacked.")
            sheet = load_workbook(io.BytesIO(in_stream), read_only=True).active
            if sheet is not None:
                sheet.reset_dimensions()  # what the file says of its own size may be all that a sheet can hold
            return table(map(list, sheet.iter_rows(values_only=True)) if sheet is not None else [])
        except FileRefused:
            raise
        except (BadZipFile, InvalidFileException, KeyError, ValueError, OSError, AttributeError, SyntaxError):
            raise FileRefused("The file is not an XLSX workbook with cells on its first sheet.") from None

    def export_data(self, dataset: Dataset, **kwargs: Any) -> Any:
        for number in range(len(dataset)):
            dataset[number] = [fitting(cell) if isinstance(cell, str) else cell for cell in dataset[number]]
        return super().export_data(dataset, **kwargs)  # type: ignore[no-untyped-call]


FORMATS = [Csv, Xlsx, Tsv, Json]
