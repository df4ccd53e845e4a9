"""The timeline of one call, from its rows: every transition with its time and the time since the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise, zip_longest

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState

SHORTEST_SECONDS = 0.001


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
    """The events of a call in order. `audits` are its request audits with `response_audit` and `tool_runs` loaded."""
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
    what = "repair sent" if audit.repair_of_id else "sent"
    yield TimelineEvent(
        at=audit.dispatched_at, event=what, attempt=audit.attempt, detail=f"to {audit.provider} {audit.model}"
    )
    answer = audit.answer
    if answer is not None:
        detail = answer.error_code or answer.finish_reason
        if answer.total_tokens:
            detail = f"{detail}, {answer.total_tokens:,} tokens".removeprefix(", ")
        yield TimelineEvent(at=answer.received_at, event=audit.outcome, attempt=audit.attempt, detail=detail)
    for run in audit.tool_runs.all():
        detail = f"{run.tool}, {run.error_code}" if run.error_code else run.tool
        at = run.finished_at or run.started_at
        event = f"tool {run.status}" if run.finished_at else "tool begun"
        yield TimelineEvent(at=at, event=event, attempt=audit.attempt, detail=detail)


# --- to scale -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of a call's life; `kind`: wait, ask, fail, lost, work or persist."""

    name: str
    kind: str
    began: datetime
    ended: datetime
    left: float = 0.0
    """Where it begins, in percent of the whole."""
    width: float = 100.0

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()


def phases(call: ServiceCallRecord, audits: Iterable[AIRequestAudit], *, now: datetime) -> list[Phase]:
    """A call's life in stretches that follow each other, with their place on a common scale; what lasts still ends
    `now`. Stretches shorter than a millisecond between two events are left out."""
    found = [*_phases(call, sorted(audits, key=lambda audit: (audit.dispatched_at, audit.pk)), now)]
    if not found:
        return []
    begin, end = min(phase.began for phase in found), max(phase.ended for phase in found)
    whole = max((end - begin).total_seconds(), 0.001)
    return [
        replace(
            phase,
            left=round((phase.began - begin).total_seconds() / whole * 100, 3),
            width=round(phase.seconds / whole * 100, 3),
        )
        for phase in found
    ]


def _phases(call: ServiceCallRecord, audits: list[AIRequestAudit], now: datetime) -> Iterator[Phase]:
    at = call.started_at or call.finished_at or now
    at = min(at, audits[0].dispatched_at) if audits else at  # a retry began again
    yield from _stretch("in the queue", "wait", call.created_at, at)
    before: AIRequestAudit | None = None
    for audit, later in zip_longest(audits, audits[1:]):
        name = "preparing" if before is None else "tools" if before.tool_runs.all() else "between attempts"
        before = audit
        yield from _stretch(name, "wait", at, audit.dispatched_at)
        ended = _ended(audit, later, call, now)
        yield from _stretch(_asked(audit), _kind(audit), audit.dispatched_at, ended)
        at = max(ended, at)
    ended = call.finished_at or (now if audits and not call.is_terminal else at)
    yield from _stretch("validating and storing" if call.is_terminal else call.status, "work", at, ended)
    if call.finished_at and call.domain_persist_state != PersistState.NONE:
        pending = call.domain_persist_state in (PersistState.PENDING, PersistState.HELD)
        persisted = call.persisted_at or (now if pending else call.finished_at)
        is_held = call.domain_persist_state == PersistState.HELD  # it waits for a person, and nothing works on it
        name, kind = ("waiting for approval", "wait") if is_held else ("until persisted", "persist")
        yield from _stretch(name, kind, call.finished_at, persisted)


def _stretch(name: str, kind: str, began: datetime, ended: datetime) -> Iterator[Phase]:
    if (ended - began).total_seconds() >= SHORTEST_SECONDS:
        yield Phase(name=name, kind=kind, began=began, ended=ended)


def _ended(audit: AIRequestAudit, later: AIRequestAudit | None, call: ServiceCallRecord, now: datetime) -> datetime:
    """When its answer came; for one that was lost, when the call continued without it."""
    answer = audit.answer
    if answer is not None:
        return answer.received_at
    return later.dispatched_at if later else call.finished_at or now


def _asked(audit: AIRequestAudit) -> str:
    if audit.repair_of_id is not None:
        return f"repair of attempt {audit.attempt}"
    return f"attempt {audit.attempt}, turn {audit.repair + 1}" if audit.repair else f"attempt {audit.attempt}"


def _kind(audit: AIRequestAudit) -> str:
    return {Outcome.FAILED: "fail", Outcome.UNKNOWN: "lost"}.get(Outcome(audit.outcome), "ask")
