"""Stored JSON on pages: as much as a page can show (`values.truncated_json`), and all of it as a download."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from orchestration.values.sanitize import legible
from orchestration.values.truncated_json import MAX_CHARACTERS, text_of

FOLDED_LINES = 40
FOLDED_CHARACTERS = 4_000
"""Longer JSON is folded."""


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

    @property
    def lines(self) -> int:
        return self.text.count("\n") + 1

    @property
    def is_long(self) -> bool:
        """Folded until somebody opens it."""
        return self.lines > FOLDED_LINES or len(self.text) > FOLDED_CHARACTERS


def as_json(value: object) -> JsonText:
    """A JSON value, indented, text left readable; what older rows of SQLite hold of surrogate pairs as escapes."""
    text = legible(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    return JsonText(text[:MAX_CHARACTERS], len(text))


def stored(row: Any, column: str, *, via: str = "", url: str = "") -> JsonText | None:
    """A column that was read with `cut`: indented when it is whole, as it stands when it is not; None when it is empty.

    `url`: where the whole of it is downloaded, when it is cut.
    """
    text, length = text_of(row, column, via=via)
    if text is None or text in {"null", "{}", "[]", '""'}:
        return None
    if length > len(text):
        return JsonText(text, length, url)
    try:
        return as_json(json.loads(text))
    except (ValueError, RecursionError):  # shown as it stands, for whoever is to repair it
        return JsonText(text, length, url)
