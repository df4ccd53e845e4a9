"""What a cell of a file can hold: a value that a format cannot hold is written as closely as possible, and noted."""

from __future__ import annotations

import base64
import json
import math
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from orchestration.values.moments import UNREADABLE_FUTURE, UNREADABLE_PAST
from orchestration.values.spreadsheets import CUT, MAX_CELL, NO_XML, REPLACEMENT, escaped, fitting
from orchestration.values.stored_json import Unreadable

STAND_INS = (UNREADABLE_PAST, UNREADABLE_FUTURE)
"""What a stored time that nobody can read is loaded as."""
EXACT = 10**15
"""Spreadsheets keep fifteen digits of a number."""
UNFIT = (TypeError, ValueError, RecursionError)
"""What the encoder says of NaN, lone surrogates, bytes, and of what nothing can be done about."""


class Cells:
    """Reads the columns of one row, and keeps what had to be changed."""

    def __init__(self, row: Any) -> None:
        self.row = row
        self.column = ""
        """The one that was read last."""
        self.changes: dict[str, None] = {}

    def read(self, field: Any) -> Any:
        """The value of a field of an import-export resource; None for what the database holds and nobody can read."""
        self.column = field.column_name
        value = field.get_value(self.row)
        if isinstance(value, Unreadable) or (isinstance(value, datetime) and value in STAND_INS):
            self.note("what is stored cannot be read")
            return None
        return value

    def note(self, what: str) -> None:
        self.changes[f"{self.column}: {what}" if self.column else what] = None

    def as_text(self) -> str:
        return "; ".join(self.changes)


def row_as_json(row: dict[str, Any], cells: Cells) -> str:
    """The columns of a row as an object on a line of its own, as every parser reads it."""
    try:
        return _dumps(row)
    except UNFIT:
        return _dumps({column: _plain_in(column, value, cells) for column, value in row.items()})


def as_json(value: Any, cells: Cells) -> str:
    """JSON on a line of its own, as every parser reads it."""
    try:
        return _dumps(value)
    except UNFIT:
        return _dumps(plain(value, cells))


def for_csv(value: Any, cells: Cells) -> Any:
    """Text, number or nothing; JSON as text, times in ISO 8601, what a spreadsheet would run escaped."""
    value = _cell(value, cells)
    if isinstance(value, str) and "\x00" in value:
        cells.note("NUL replaced")
        value = value.replace("\x00", REPLACEMENT)
    return value


def for_xlsx(value: Any, cells: Cells) -> Any:
    """As in CSV, cut at what a cell can hold; numbers that would lose digits are text."""
    value = _cell(value, cells)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= EXACT:
        return str(value)
    if not isinstance(value, str):
        return value
    if NO_XML.search(value):
        cells.note("control characters replaced")
    found = fitting(value)
    if found.endswith(CUT) and not value.endswith(CUT):
        cells.note(f"cut at {MAX_CELL:,} characters")
    return found


def plain(value: Any, cells: Cells) -> Any:
    """The value as JSON holds it: lone surrogates, NaN and infinity as text, bytes in base 64."""
    if isinstance(value, str):
        return _text(value, cells)
    if isinstance(value, float) and not math.isfinite(value):
        cells.note("not a finite number")
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [plain(item, cells) for item in value]
    if isinstance(value, dict):
        return {_text(str(key), cells): plain(item, cells) for key, item in value.items()}
    if isinstance(value, time):
        return value.isoformat()
    return str(value) if isinstance(value, Model | Decimal) else value


def _plain_in(column: str, value: Any, cells: Cells) -> Any:
    cells.column = column
    _dumps(value := plain(value, cells))  # what still cannot be written is this column's fault
    return value


def _dumps(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, cls=_Encoder) + "\n"
    if not text.isascii():
        text.encode()
    return text


class _Encoder(DjangoJSONEncoder):
    def default(self, value: Any) -> Any:
        return str(value) if isinstance(value, Model) else super().default(value)


def _text(text: str, cells: Cells) -> str:
    if text.isascii():
        return text
    safe = text.encode(errors="backslashreplace").decode()
    if len(safe) != len(text):
        cells.note("lone surrogates escaped")
    return safe


def _cell(value: Any, cells: Cells) -> Any:
    if isinstance(value, dict | list):
        return escaped(as_json(value, cells).rstrip("\n"))
    if isinstance(value, Decimal):
        return str(value)
    value = plain(value, cells)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        value = value.isoformat()
    return escaped(str(value))
