"""The four books: what was submitted, what the provider saw, what was audited, and which domain rows there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import orjson

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.calls import PersistState, Status
from orchestration.providers.ledger import Entry


class Row(Protocol):
    """A domain row, as chaos.app.models.ChaosRow."""

    @property
    def pk(self) -> int: ...

    call_id: str
    number: int
    note: str
    provider_response_id: str


@dataclass(slots=True)
class Books:
    """`submitted`: call ids by the number of the planned call, as the submitter was told them."""

    submitted: dict[int, str]
    ledger: list[Entry]
    calls: dict[str, ServiceCallRecord]
    audits: list[AIRequestAudit]
    rows: Sequence[Row]


@dataclass(slots=True)
class Findings:
    """Call ids (request ids for `unaccounted`) of everything that must not be; each list is empty in a good run."""

    lost: list[str] = field(default_factory=list)
    """Submitted, and neither persisted nor poisoned."""
    duplicated: list[str] = field(default_factory=list)
    """More than one row, or more than one record, for one planned call."""
    falsely_persisted: list[str] = field(default_factory=list)
    """A row that no answered request stands behind, or that says something else than the stored result."""
    out_of_order: list[str] = field(default_factory=list)
    """Started or persisted before an earlier call of its ordering key was done."""
    unaccounted: list[str] = field(default_factory=list)
    """A provider request without its own audit, or whose ending the audit tells otherwise."""
    open_audits: list[str] = field(default_factory=list)
    """Requests whose audit says neither answered, failed nor unknown."""
    still_running: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not any((
            self.lost, self.duplicated, self.falsely_persisted, self.out_of_order,
            self.unaccounted, self.open_audits, self.still_running,
        ))  # fmt: skip


def read_ledger(path: Path) -> list[Entry]:
    """Every request that the provider saw, as it ended."""
    entries: dict[str, Entry] = {}
    for line in path.read_bytes().splitlines():
        entry = Entry(**orjson.loads(line))
        entries[entry.id] = entry
    return list(entries.values())


def read_books(submitted: dict[int, str], ledger: Path, rows: Sequence[Row]) -> Books:
    """The books as they stand now; `rows` in the order of their keys."""
    return Books(
        submitted=submitted,
        ledger=read_ledger(ledger),
        calls={record.pk: record for record in ServiceCallRecord.objects.all()},
        audits=list(AIRequestAudit.objects.select_related("response_audit")),
        rows=rows,
    )


def request_id(audit: AIRequestAudit) -> str:
    """What the provider was told as X-Client-Request-Id."""
    return f"{audit.call_id}:{audit.attempt}:{audit.repair}"


def compare(books: Books) -> Findings:
    """Everything in which the books disagree."""
    rows_of = Counter(row.call_id for row in books.rows)
    known = set(books.submitted.values())
    numbers = Counter(record.context["number"] for record in books.calls.values())
    return Findings(
        lost=[call_id for call_id in known if not _is_done(books.calls.get(call_id), rows_of[call_id])],
        duplicated=[call_id for call_id, count in rows_of.items() if count > 1]
        + [str(number) for number, count in numbers.items() if count > 1],
        falsely_persisted=_false_rows(books),
        out_of_order=out_of_order(books),
        unaccounted=unaccounted(books),
        open_audits=[request_id(audit) for audit in books.audits if audit.outcome == Outcome.PENDING],
        still_running=[pk for pk, record in books.calls.items() if record.status == Status.RUNNING],
    )


def _is_done(record: ServiceCallRecord | None, rows: int) -> bool:
    if record is None:
        return False
    if record.status == Status.FAILED and record.error_code == "poisoned":
        return True
    return record.status == Status.SUCCEEDED and record.domain_persist_state == PersistState.PERSISTED and rows > 0


def _false_rows(books: Books) -> list[str]:
    answered = {entry.id: entry for entry in books.ledger if entry.outcome == "answered" and entry.status == 200}
    return [row.call_id for row in books.rows if not _is_true(row, books.calls.get(row.call_id), answered)]


def _is_true(row: Row, record: ServiceCallRecord | None, answered: dict[str, Entry]) -> bool:
    """The record says the same, and the provider answered exactly that to a request of this very call."""
    if record is None or record.result is None or not record.domain_persisted:
        return False
    entry = next((answered[part] for part in row.provider_response_id.split("_") if part in answered), None)
    return (
        entry is not None
        and entry.correlation.startswith(f"{row.call_id}:")
        and record.result["structured_data"] == {"note": row.note}
        and record.context["number"] == row.number
    )


def out_of_order(books: Books) -> list[str]:
    """Within each ordering key: rows must follow the sequence, and no call may start before the one before is done."""
    row_ids = {row.call_id: row.pk for row in books.rows}
    keys: dict[str, list[ServiceCallRecord]] = defaultdict(list)
    for record in books.calls.values():
        if record.ordering_key:
            keys[record.ordering_key].append(record)
    found = []
    for records in keys.values():
        records.sort(key=lambda record: record.sequence)
        for before, after in pairwise(records):
            rows_swapped = row_ids.get(before.pk, 0) > row_ids.get(after.pk, row_ids.get(before.pk, 0))
            done_at = before.persisted_at or before.finished_at
            overlap = after.started_at is not None and (done_at is None or after.started_at < done_at)
            if rows_swapped or overlap:
                found.append(after.pk)
    return found


def unaccounted(books: Books) -> list[str]:
    """Provider requests that the audits do not tell of exactly once, or tell otherwise."""
    audits = {request_id(audit): audit for audit in books.audits}
    seen = Counter(entry.correlation for entry in books.ledger)
    found = [correlation for correlation, count in seen.items() if count > 1 or correlation not in audits]
    for entry in books.ledger:
        audit = audits.get(entry.correlation)
        if audit is not None and not _told_alike(entry, audit):
            found.append(entry.correlation)
    return found + [
        request_id(audit)
        for audit in books.audits
        if audit.outcome == Outcome.ANSWERED and request_id(audit) not in seen
    ]


def _told_alike(entry: Entry, audit: AIRequestAudit) -> bool:
    """What was not answered whole cannot be audited as answered; without a stored answer it is unknown."""
    if audit.outcome == Outcome.ANSWERED:
        return entry.outcome == "answered" and entry.status == 200 and audit.answer is not None
    if audit.outcome == Outcome.FAILED:
        return audit.answer is not None
    return audit.outcome == Outcome.UNKNOWN and audit.answer is None
