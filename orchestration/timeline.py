"""The story of one call, told from its rows: every transition with its moment and how long it took to get there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.calls import PersistState


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    """One thing that happened to a call; `detail` holds codes and numbers, never content."""

    at: datetime
    event: str
    attempt: int | None = None
    detail: str = ""
    seconds: float | None = None
    """Since the event before; None for the first."""


def timeline(call: ServiceCallRecord, audits: Iterable[AIRequestAudit]) -> list[TimelineEvent]:
    """The events of a call in order. `audits` are its request audits with `response_audit` loaded."""
    events = [*_call_events(call)]
    for audit in audits:
        events += _audit_events(audit)
    events.sort(key=lambda event: event.at)
    return events[:1] + [_after(before, event) for before, event in pairwise(events)]


def _after(before: TimelineEvent, event: TimelineEvent) -> TimelineEvent:
    return TimelineEvent(
        at=event.at,
        event=event.event,
        attempt=event.attempt,
        detail=event.detail,
        seconds=round((event.at - before.at).total_seconds(), 3),
    )


def _call_events(call: ServiceCallRecord) -> Iterator[TimelineEvent]:
    yield TimelineEvent(at=call.created_at, event="queued", detail=f"priority {call.priority}" if call.priority else "")
    if call.started_at:
        yield TimelineEvent(at=call.started_at, event="claimed", detail=call.worker and f"by {call.worker}")
    if call.cancel_requested_at and call.cancel_requested_at != call.finished_at:
        yield TimelineEvent(at=call.cancel_requested_at, event="cancel requested")
    if call.finished_at:
        yield TimelineEvent(at=call.finished_at, event=call.status, detail=call.error_code)
    if call.persisted_at:
        yield TimelineEvent(at=call.persisted_at, event=call.domain_persist_state)
    elif call.domain_persist_state == PersistState.PENDING and call.next_persist_at:
        tries = f"after {call.domain_persist_attempts} tries" if call.domain_persist_attempts else ""
        yield TimelineEvent(at=call.next_persist_at, event="persistence due", detail=tries)


def _audit_events(audit: AIRequestAudit) -> Iterator[TimelineEvent]:
    what = "repair sent" if audit.repair else "sent"
    yield TimelineEvent(
        at=audit.dispatched_at, event=what, attempt=audit.attempt, detail=f"to {audit.provider} {audit.model}"
    )
    answer = audit.answer
    if answer is not None:
        detail = answer.error_code or answer.finish_reason
        if answer.total_tokens:
            detail = f"{detail}, {answer.total_tokens} tokens".removeprefix(", ")
        yield TimelineEvent(at=answer.received_at, event=audit.outcome, attempt=audit.attempt, detail=detail)
