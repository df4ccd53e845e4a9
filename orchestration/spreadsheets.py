"""Cells that a spreadsheet would run: made harmless on the way out, refused on the way in."""

from __future__ import annotations

import re

RUN = re.compile(r"[=+\-@\t\r]")
"""A cell of text that begins with one of these may be taken for a formula."""
FORMULA = re.compile(r"\s*=|[\t\r]|\s*[+\-@]\s*[\w.]+\s*[(!|]")
"""What is surely one: a dash alone also begins a list."""


def escaped(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would run; the apostrophe is not shown there."""
    return f"'{text}" if RUN.match(text) else text


def unescaped(text: str) -> str:
    """The opposite of `escaped`, so that an export can be imported again."""
    return text[1:] if text.startswith("'") and RUN.match(text, 1) else text


def is_formula(text: str) -> bool:
    """Whether a cell that came from outside is a formula."""
    return bool(FORMULA.match(text))
