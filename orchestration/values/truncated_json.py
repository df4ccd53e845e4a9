"""Stored JSON for display: an answer may have 50 MB, so the database cuts the text before it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast, Length, Substr

MAX_CHARACTERS = 200_000
"""Of one value."""


def cut(rows: QuerySet[Any], columns: Sequence[str], *, via: str = "") -> QuerySet[Any]:
    """Rows with these columns read as cut text: `text_of(row, column)` and `value_of`. `via`: over a relation."""
    for column in columns:
        path = f"{via}__{column}" if via else column
        text = Cast(F(path), TextField())
        rows = rows.annotate(
            **{
                f"{_name(path)}_text": Substr(text, 1, MAX_CHARACTERS),
                f"{_name(path)}_length": Length(text),
            }
        ).defer(path)
    return rows


def text_of(row: Any, column: str, *, via: str = "") -> tuple[str | None, int]:
    """The text of a column that was read with `cut`, and its length in characters before it was; None for NULL."""
    path, read = _name(f"{via}__{column}" if via else column), vars(row)
    return read[f"{path}_text"], read[f"{path}_length"] or 0


def value_of(row: Any, column: str, *, via: str = "") -> Any:
    """The parsed value of a column that was read with `cut`; None when it is NULL or was cut."""
    text, length = text_of(row, column, via=via)
    return None if text is None or length > len(text) else json.loads(text)


def _name(path: str) -> str:
    return f"cut_{path}"
