"""The four records of a run: what was submitted, what the provider saw, what was audited, and the domain rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import Status
from orchestration.providers.simulator.request_log import Entry

if TYPE_CHECKING:
    from chaos.scenarios import Scenario


@dataclass(slots=True)
class Records:
    """`submitted`: ids by the number of the planned call, as the submitter got them. `rows`: the scenario's."""

    submitted: dict[int, str]
    ledger: list[Entry]
    calls: dict[str, ServiceCallRecord]
    audits: list[AIRequestAudit]
    rows: Sequence[Any]

    def answered(self) -> dict[str, Entry]:
        """The provider's requests by their id, those that it answered completely with 200."""
        return {entry.id: entry for entry in self.ledger if entry.outcome == "answered" and entry.status == 200}


@dataclass(slots=True)
class Findings:
    """Ids of everything that is wrong, request ids in `unaccounted`; the scenario finds the first four."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    falsely_persisted: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    """A provider request without its own audit, or with an audit of another outcome."""
    open_audits: list[str] = field(default_factory=list)
    """Requests whose audit says neither answered, failed nor unknown."""
    still_running: list[str] = field(default_factory=list)
    misheard: list[str] = field(default_factory=list)
    """Calls whose listener was told something else than what is stored; see chaos.listening."""

    @property
    def clean(self) -> bool:
        return not any((
            self.lost, self.duplicated, self.falsely_persisted, self.out_of_order,
            self.unaccounted, self.open_audits, self.still_running, self.misheard,
        ))  # fmt: skip


def read_ledger(path: Path) -> list[Entry]:
    """Every request that the provider saw, with its outcome."""
    entries: dict[str, Entry] = {}
    for line in path.read_bytes().splitlines():
        entry = Entry(**orjson.loads(line))
        entries[entry.id] = entry
    return list(entries.values())


def read_records(submitted: dict[int, str], ledger: Path, rows: Sequence[Any]) -> Records:
    """The records as they are now."""
    return Records(
        submitted=submitted,
        ledger=read_ledger(ledger),
        calls={record.pk: record for record in ServiceCallRecord.objects.all()},
        audits=list(AIRequestAudit.objects.select_related("response_audit")),
        rows=rows,
    )


def request_id(audit: AIRequestAudit) -> str:
    """The X-Client-Request-Id that the provider got."""
    return f"{audit.call_id}:{audit.attempt}:{audit.repair}"


def compare(records: Records, scenario: Scenario) -> Findings:
    """Everything in which the records disagree."""
    return Findings(
        lost=scenario.lost(records),
        duplicated=scenario.duplicated(records),
        falsely_persisted=scenario.falsely_persisted(records),
        out_of_order=scenario.out_of_order(records),
        unaccounted=unaccounted(records),
        open_audits=[request_id(audit) for audit in records.audits if audit.outcome == Outcome.PENDING],
        still_running=[pk for pk, record in records.calls.items() if record.status == Status.RUNNING],
    )


def is_poisoned(record: ServiceCallRecord) -> bool:
    return record.status == Status.FAILED and record.error_code == "poisoned"


def unaccounted(records: Records) -> list[str]:
    """Provider requests that do not have exactly one audit, or have one of another outcome."""
    audits = {request_id(audit): audit for audit in records.audits}
    seen = Counter(entry.correlation for entry in records.ledger)
    found = [correlation for correlation, count in seen.items() if count > 1 or correlation not in audits]
    for entry in records.ledger:
        audit = audits.get(entry.correlation)
        if audit is not None and not _told_alike(entry, audit):
            found.append(entry.correlation)
    return found + [
        request_id(audit)
        for audit in records.audits
        if audit.outcome == Outcome.ANSWERED and request_id(audit) not in seen
    ]


def _told_alike(entry: Entry, audit: AIRequestAudit) -> bool:
    """A request without a complete answer cannot be audited as answered; without a stored answer it is unknown."""
    if audit.outcome == Outcome.ANSWERED:
        return entry.outcome == "answered" and entry.status == 200 and audit.answer is not None
    if audit.outcome == Outcome.FAILED:
        return audit.answer is not None
    return audit.outcome == Outcome.UNKNOWN and audit.answer is None
