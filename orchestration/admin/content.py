"""Stored JSON on pages: read from the database no longer than a page can show, the whole of it as a download.

An answer can have 50 MB. Neither parsing nor indenting that belongs into a page, so the database cuts the text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast, Length, Substr

MAX_SHOWN_CHARACTERS = 200_000
"""Of one value on a page."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON for people: indented, or cut when it is too long for a page."""

    text: str
    length: int
    url: str = ""
    """Where the whole of it is downloaded."""

    @property
    def is_cut(self) -> bool:
        return len(self.text) < self.length


def as_json(value: object) -> JsonText:
    """A JSON value, indented, text left readable."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return JsonText(text[:MAX_SHOWN_CHARACTERS], len(text))


def cut(rows: QuerySet[Any], columns: Sequence[str], *, via: str = "") -> QuerySet[Any]:
    """Rows with these columns read as cut text: `stored(row, column)` shows them. `via`: over a relation."""
    for column in columns:
        path = f"{via}__{column}" if via else column
        text = Cast(F(path), TextField())
        rows = rows.annotate(
            **{
                f"{_name(path)}_text": Substr(text, 1, MAX_SHOWN_CHARACTERS),
                f"{_name(path)}_length": Length(text),
            }
        ).defer(path)
    return rows


def stored(row: Any, column: str, *, via: str = "", url: str = "") -> JsonText | None:
    """A column that was read with `cut`: indented when it is whole, as it stands when it is not; None when it is empty.

    `url`: where the whole of it is downloaded, when it is cut.
    """
    path = _name(f"{via}__{column}" if via else column)
    text, length = getattr(row, f"{path}_text"), getattr(row, f"{path}_length")
    if text is None or text in {"null", "{}", "[]", '""'}:
        return None
    if length > len(text):
        return JsonText(text, length, url)
    return as_json(json.loads(text))


def value_of(row: Any, column: str, *, via: str = "") -> Any:
    """The parsed value of a column that was read with `cut`; None when it is empty or was cut."""
    path = _name(f"{via}__{column}" if via else column)
    text, length = getattr(row, f"{path}_text"), getattr(row, f"{path}_length")
    return None if text is None or length > len(text) else json.loads(text)


def _name(path: str) -> str:
    return f"cut_{path}"
