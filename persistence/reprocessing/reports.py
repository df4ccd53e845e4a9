"""Reports: what reprocessing a stored result did, or would do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from orchestration.types import JsonObject
from persistence.tracking.row_changes import RowChange
from persistence.tracking.saved_files import Digests


class Policy(StrEnum):
    """What to do with a result that was persisted before."""

    KEEP = "keep"
    UPDATE = "update"
    """The handler's `update` brings what it made up to date."""
    RECREATE = "recreate"
    """What the call did is reverted, then done again; nothing happens when that gives the same rows."""


class ReprocessOutcome(StrEnum):
    """What came, or would come, of one result."""

    PERSISTED = "persisted"
    KEPT = "kept"
    UPDATED = "updated"
    RECREATED = "recreated"
    UNCHANGED = "unchanged"
    REVERTED = "reverted"
    SKIPPED = "skipped"
    HELD = "held"
    """It waits for a person's decision now (`persistence/approval/`)."""
    FAILED = "failed"
    REFUSED = "refused"

    @property
    def would(self) -> str:
        """Of a dry run, after which nothing stays: what it would come to."""
        return WOULD.get(self, self.value)


WOULD = {
    ReprocessOutcome.PERSISTED: "would persist",
    ReprocessOutcome.KEPT: "would keep",
    ReprocessOutcome.UPDATED: "would update",
    ReprocessOutcome.RECREATED: "would recreate",
    ReprocessOutcome.REVERTED: "would revert",
    ReprocessOutcome.SKIPPED: "would skip",
    ReprocessOutcome.HELD: "would hold",
}
"""What did not go well, or changes nothing, is the same in a dry run."""


@dataclass(slots=True, kw_only=True)
class PartReport:
    """One chunk: the whole result under the empty key, or one part of it."""

    part: str
    outcome: ReprocessOutcome
    changes: list[RowChange] = field(default_factory=list)

    def as_json(self) -> JsonObject:
        return {
            "part": self.part,
            "outcome": self.outcome.value,
            "changes": [
                {
                    "model": change.model._meta.label_lower,
                    "id": change.id,
                    "action": change.action.value,
                    "fields": change.fields,
                }
                for change in self.changes
            ],
        }


@dataclass(slots=True, kw_only=True)
class Report:
    """What reprocessing changed, or would change; `fields` of a change are `{column: [before, after]}`."""

    call_id: str
    outcome: ReprocessOutcome
    dry_run: bool
    parts: list[PartReport] = field(default_factory=list)
    other: list[RowChange] = field(default_factory=list)
    """Rows that changed outside the chunks; the call's own row is left out."""
    unseen: list[str] = field(default_factory=list)
    """Statements that could not be followed, as `VERB table`; of a revert, what it does not undo."""
    files: Digests = field(default_factory=dict)
    """What was saved in storages, by name; a dry run has deleted it again."""
    left_files: list[str] = field(default_factory=list)
    """What the call had saved in storages: a revert of its rows leaves it there."""
    contradicted: list[str] = field(default_factory=list)
    """What a forced revert does against, without values: what would be refused else."""
    kept: list[str] = field(default_factory=list)
    """What a revert leaves where it is: counters, and rows that others follow."""
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
            "files": list(self.files),
            "left_files": self.left_files,
            "contradicted": self.contradicted,
            "kept": self.kept,
            "counts": self.counts,
            "error": self.error,
        }
