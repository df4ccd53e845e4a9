"""What becomes of the records that a drain takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of one record in one drain."""

    PERSISTED = "persisted"
    SKIPPED = "skipped"
    HELD = "held"
    """A person decides first; nothing of it is written."""
    FAILED = "failed"
    DEAD = "dead"
    NOT_DUE = "not due"
    """Not pending, not due yet, or in the hands of another worker."""
    DATABASE_AWAY = "database away"
    """Nothing was charged; the record is still pending."""


@dataclass(slots=True)
class Counts:
    """What one drain did; `processed` counts persisted results, `failed` those that are dead now, too."""

    claimed: int = 0
    processed: int = 0
    failed: int = 0
    skipped: int = 0

    def __iadd__(self, other: Counts) -> Counts:
        self.claimed += other.claimed
        self.processed += other.processed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def add(self, outcome: Outcome) -> None:
        self.claimed += outcome is not Outcome.NOT_DUE
        self.processed += outcome is Outcome.PERSISTED
        self.failed += outcome in {Outcome.FAILED, Outcome.DEAD}
        self.skipped += outcome is Outcome.SKIPPED
