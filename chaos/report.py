"""The report of a run as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chaos.options import CHANGED, CHANGED_CONSENSUS
from chaos.records import Findings, Records, request_id
from chaos.recovery import RecoveryWatch
from orchestration.models import EngineCounter, WorkerNode
from orchestration.models.audits import Outcome

SHOWN = 20
"""Examples of each kind of finding."""


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` (0 to 1) of the values do not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 2)


def recovery_report(watch: RecoveryWatch) -> dict[str, Any]:
    """Seconds from the kill to the next claim, over all calls that had lost their worker; see chaos.recovery."""
    kinds = sorted({one.kind for one in watch.recovered})
    return {
        **_times([one.seconds for one in watch.recovered]),
        "served": _times([one.served for one in watch.recovered]),
        "by_kind": {kind: _times([one.seconds for one in watch.recovered if one.kind == kind]) for kind in kinds},
        "never": watch.waiting,
    }


def _times(seconds: Sequence[float]) -> dict[str, Any]:
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {"calls": len(seconds), **{name: percentile(seconds, share) for name, share in shares.items()}}


def records_report(records: Records, findings: Findings) -> dict[str, Any]:
    """Counts, with examples of whatever was found."""
    unknown = {request_id(audit) for audit in records.audits if audit.outcome == Outcome.UNKNOWN}
    stored = {request_id(audit) for audit in records.audits if audit.answer is not None}
    sent = {entry.correlation for entry in records.ledger}
    found = asdict(findings)
    return {
        "submitted": len(records.submitted),
        "provider_requests": len(records.ledger),
        "audits": len(records.audits),
        "rows": len(records.rows),
        **{name: len(items) for name, items in found.items()},
        "examples": {name: items[:SHOWN] for name, items in found.items() if items},
        "unknown_attempts": len(unknown),
        "unknown_attempts_that_reached_the_provider": len(unknown & sent),
        "provider_requests_without_a_stored_answer": len(sent - stored),
        "provider_endings": dict(Counter(entry.outcome for entry in records.ledger)),
        "provider_faults": dict(Counter(entry.fault for entry in records.ledger)),
        "outcomes": dict(Counter(_ending(record) for record in records.calls.values())),
        "stale_writes_rejected": EngineCounter.read("stale_writes_rejected"),
        "deaths": sum(record.deaths for record in records.calls.values()),
        "most_deaths_of_one_call": max((record.deaths for record in records.calls.values()), default=0),
        "poisoned": sum(record.error_code == "poisoned" for record in records.calls.values()),
        "cluster_restarts": sum(WorkerNode.objects.values_list("restarts", flat=True)),
        "changed_settings": {**CHANGED, "CONSENSUS": CHANGED_CONSENSUS},
    }


def _ending(record: Any) -> str:
    return f"{record.status}/{record.domain_persist_state}{f'/{record.error_code}' if record.error_code else ''}"
