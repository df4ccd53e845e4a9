"""A value by its type and length: all that may be said of content."""

from __future__ import annotations

import re
from typing import Any

NAME = re.compile(r"[A-Za-z_][\w-]{0,63}\Z")


def described(value: Any) -> str:
    """`text of 140 characters`, `list of 3`, `number of 12 digits`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "a truth value"
        case str():
            return f"text of {_count(len(value), 'character')}"
        case bytes():
            return f"{_count(len(value), 'byte')}"
        case int():
            return f"{'a negative ' if value < 0 else 'a '}number of {_count(len(str(abs(value))), 'digit')}"
        case list() | tuple():
            return f"list of {len(value)}"
        case dict():
            return f"object with {_count(len(value), 'key')}"
    return f"a {type(value).__name__}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def path_of(location: tuple[int | str, ...]) -> str:
    """The path of a field. A key that is not a name may come from the answer itself, and is not shown."""
    names = [str(part) if isinstance(part, int) or NAME.match(part) else "<key>" for part in location]
    return ".".join(names) or "all"
