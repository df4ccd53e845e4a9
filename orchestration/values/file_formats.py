"""The version of a file that is written to be read again, or to be kept: a member or a column called `file_format`.

A change of what such a file holds is a new version: the code that reads it knows both. A file without one is of the
first, from before there were versions; a newer one is refused, for part of it would be lost without a word.
"""

from __future__ import annotations

from typing import Any

NAME = "file_format"
"""Not `format_version`, which is a column of rows and says how the row was stored."""
FIRST = 1


class UnknownFileFormat(ValueError):
    """A newer version wrote this file, or what it says of its format is not a version; the message says what to do."""


def refuse_unknown(written: object, known: int) -> None:
    """UnknownFileFormat when `written`, as it stands in the file, is not a version from FIRST to `known`.

    None and an empty cell are the first. A cell of a spreadsheet may hold the version as text.
    """
    version = _version(written)
    if version is None:
        raise UnknownFileFormat(f"{NAME} must be a whole number from {FIRST} to {known}. Without one it is {FIRST}.")
    if version > known:
        raise UnknownFileFormat(
            f"A newer version wrote this file ({NAME} {version}; {known} is the newest that is known here)."
            " Upgrade this installation, or export the file again from one that is as old."
        )


def _version(written: Any) -> int | None:
    text = "" if written is None else str(written).strip()
    if not text:
        return FIRST
    try:
        number = float(text)  # some spreadsheets write 1.0
    except ValueError:
        return None
    return int(number) if number.is_integer() and number >= FIRST and not isinstance(written, bool) else None
