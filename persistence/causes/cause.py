"""`Cause`: what kept a result from being persisted. It names schema and code, never a value."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self, TypeVar

from orchestration.types import JsonObject

NUMBER = re.compile(r"\d+")


class Kind(StrEnum):
    """The known kinds; each has a remedy."""

    TOO_LONG = "too long"
    OUT_OF_RANGE = "out of range"
    NULL = "null"
    DUPLICATE = "duplicate"
    MISSING_ROW = "missing row"
    CHOICE = "unknown choice"
    CHECK = "broken rule"
    VALIDATION = "validation"
    CONTENTION = "contention"
    TIMEOUT = "timeout"
    OLDER_DATABASE = "table or column missing"
    WORKER_DIED = "worker died"
    NOT_ACCEPTED = "not accepted"
    """Persistence itself refused what the handler did; its message says why."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One line of the app that led to the error."""

    path: str
    """`shop/orca/persist/order.py`"""
    function: str
    line: int
    source: str
    """The text of the line; empty where there is no source."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One field that was not accepted: of the schema, or of a table."""

    path: str
    """`messages.0.content` or, of a table, `order.note`."""
    rule: str
    """`string_too_long`, `at most 100 characters`."""
    value: str
    """The type and length of the value: `text of 140 characters`."""

    def __str__(self) -> str:
        got = f", got {self.value}" if self.value else ""
        return f"{self.path}: {self.rule}{got}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What kept a result from being persisted."""

    exception: str
    """The name of its type, with that of the class it belongs to: `Order.DoesNotExist`."""
    kind: Kind = Kind.OTHER
    message: str = ""
    """Of errors whose messages hold no content: those of persistence."""
    sqlstate: str = ""
    constraint: str = ""
    table: str = ""
    columns: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    frames: tuple[Frame, ...] = ()
    """The app's lines, the innermost last."""

    def fingerprint(self, handler: str) -> str:
        """16 hex digits, the same for failures of this handler that are mended together: where and against which rule,
        whatever the values. Lines count by their text, so that an edit above them makes no new group."""
        where = [f"{frame.path} {frame.function} {frame.source or frame.line}" for frame in self.frames]
        rules = sorted({f"{NUMBER.sub('#', fault.path)} {fault.rule}" for fault in self.faults})
        about = [handler, self.exception, self.sqlstate, self.constraint, self.table, *self.columns]
        text = "\n".join([*about, NUMBER.sub("#", self.message), *rules, *where])
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]

    def as_json(self) -> JsonObject:
        """The cause as it is stored; by hand, because causes come by the thousand."""
        return {
            "exception": self.exception,
            "kind": self.kind,
            "message": self.message,
            "sqlstate": self.sqlstate,
            "constraint": self.constraint,
            "table": self.table,
            "columns": self.columns,
            "faults": [{"path": one.path, "rule": one.rule, "value": one.value} for one in self.faults],
            "frames": [
                {"path": one.path, "function": one.function, "line": one.line, "source": one.source}
                for one in self.frames
            ],
        }

    @classmethod
    def from_json(cls, stored: Any) -> Self:
        """The stored cause; what a newer version added is left out, what cannot be read is an `unknown` error."""
        if not isinstance(stored, dict):
            return cls(exception="unknown")
        kind = stored.get("kind")
        return cls(
            **{name: str(stored.get(name, "")) for name in ("exception", "message", "sqlstate", "constraint", "table")},
            kind=Kind(kind) if kind in {each.value for each in Kind} else Kind.OTHER,
            columns=tuple(stored.get("columns", ())),
            faults=tuple(_part(Fault, one) for one in stored.get("faults", ())),
            frames=tuple(_part(Frame, one) for one in stored.get("frames", ())),
        )


Part = TypeVar("Part", Fault, Frame)


def _part(kind: type[Part], stored: JsonObject) -> Part:
    return kind(**{each.name: stored.get(each.name, "") for each in fields(kind)})
