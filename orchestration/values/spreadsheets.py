"""Cells that a spreadsheet would run as formulas: escaped in exports, refused in imports."""

from __future__ import annotations

import re

RUN = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""A cell of text that begins with one of these, full-width ones too, may be taken for a formula; what is escaped
already is escaped again, so that it comes back the same."""
NO_XML = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")
"""Characters that XML, and so XLSX, cannot hold."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_CELL = 32_767
"""UTF-16 code units that a cell of XLSX can hold."""
CUT = " (cut)"
FORMULA = re.compile(r"\s*=|[\t\r]|\s*[+\-@]\s*[\w.]+\s*[(!|]")
"""What certainly is a formula: a dash also begins a list."""


def escaped(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would run; the apostrophe is not shown there."""
    return f"'{text}" if RUN.match(text) else text


def unescaped(text: str) -> str:
    """The opposite of `escaped`, so that an export can be imported again."""
    return text[1:] if text.startswith("'") and RUN.match(text) else text


def is_formula(text: str) -> bool:
    """Whether a cell that came from outside is a formula."""
    return bool(FORMULA.match(text))


def fitting(text: str) -> str:
    """The text as far as a cell of XLSX can hold it, with what is replaced or cut marked."""
    text = NO_XML.sub(REPLACEMENT, text)
    if len(text) * 2 > MAX_CELL and len(encoded := text.encode("utf-16-le")) > MAX_CELL * 2:
        text = encoded[: (MAX_CELL - len(CUT)) * 2].decode("utf-16-le", "ignore") + CUT
    return text
