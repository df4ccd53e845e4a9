"""What came, or would come, of persisting a stored result again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from orchestration.types import JsonObject
from persistence.capture import RowChange


class Policy(StrEnum):
    """What to do with a result that was persisted before."""

    KEEP = "keep"
    UPDATE = "update"
    """The handler's `update` brings what it made up to date."""
    RECREATE = "recreate"
    """What the call made is deleted, then persisted again; nothing happens when that gives the same rows."""


class Replayed(StrEnum):
    """What came, or would come, of one result."""

    PERSISTED = "persisted"
    KEPT = "kept"
    UPDATED = "updated"
    RECREATED = "recreated"
    UNCHANGED = "unchanged"
    REVERTED = "reverted"
    SKIPPED = "skipped"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(slots=True, kw_only=True)
class PartReport:
    """One chunk: the whole result under the empty key, or one part of it."""

    part: str
    outcome: Replayed
    changes: list[RowChange] = field(default_factory=list)

    def as_json(self) -> JsonObject:
        return {
            "part": self.part,
            "outcome": self.outcome.value,
            "changes": [
                {
                    "model": change.model._meta.label_lower,
                    "id": str(change.key),
                    "action": change.action.value,
                    "fields": change.fields,
                }
                for change in self.changes
            ],
        }


@dataclass(slots=True, kw_only=True)
class Report:
    """What a replay changed, or would change; `fields` of a change are `{column: [before, after]}`."""

    call_id: str
    outcome: Replayed
    dry_run: bool
    parts: list[PartReport] = field(default_factory=list)
    other: list[RowChange] = field(default_factory=list)
    """Rows that changed outside the chunks; the call's own row is left out."""
    unseen: list[str] = field(default_factory=list)
    """Hand-written statements that could not be followed, as `VERB table`."""
    error: str = ""
    """Why it failed or was refused, without values."""

    @property
    def changes(self) -> list[RowChange]:
        return [*(change for part in self.parts for change in part.changes), *self.other]

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(change.action.value for change in self.changes))

    def as_json(self) -> JsonObject:
        return {
            "call_id": self.call_id,
            "outcome": self.outcome.value,
            "dry_run": self.dry_run,
            "parts": [part.as_json() for part in self.parts],
            "other": PartReport(part="", outcome=self.outcome, changes=self.other).as_json()["changes"],
            "unseen": self.unseen,
            "counts": self.counts,
            "error": self.error,
        }
