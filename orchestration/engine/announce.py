"""After a commit: turn what was written into signals. Runs where the database is, so receivers may use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestration import signals
from orchestration.engine.ops import Op, OpenRequest, Settle, StoreAnswer
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.registry import services

IMMEDIATE = "immediate"
"""`dispatch["mode"]` of a call whose caller waits: the caller's own code announces the stored result."""


def announce(ops: Sequence[Op]) -> None:
    """Send the signals of committed journal operations, in their order."""
    stored: list[str] = []
    for op in ops:
        if isinstance(op, OpenRequest):
            _request_sent(op)
        elif isinstance(op, StoreAnswer):
            _response_received(op)
        elif isinstance(op, Settle):
            _settled(op)
            if op.persist == PersistState.PENDING and op.record.dispatch.get("mode") != IMMEDIATE:
                stored.append(op.record.pk)
    if stored:
        signals.tell(signals.results_stored, None, call_ids=stored, immediate=False)


def announce_failure(record: ServiceCallRecord, *, error_code: str, error: str | None, retryable: bool) -> None:
    """Send `ai_response_failed`, once, for a call that is terminally failed."""
    signals.tell(
        signals.ai_response_failed,
        sender_of(record),
        error_code=error_code,
        error=error,
        retryable=retryable,
        **signals.payload(record),
    )


def sender_of(record: ServiceCallRecord) -> Any:
    """The call's service class, None when no such service exists (any more)."""
    return services.try_get(record.service_identity)


def _request_sent(op: OpenRequest) -> None:
    if not signals.ai_request_sent.receivers:  # nearly always: spare the hot path
        return
    signals.tell(
        signals.ai_request_sent,
        sender_of(op.record),
        request_audit_id=op.request.pk,
        attempt=op.request.attempt,
        **signals.payload(op.record),
    )


def _response_received(op: StoreAnswer) -> None:
    if not signals.ai_response_received.receivers:
        return
    signals.tell(
        signals.ai_response_received,
        sender_of(op.record),
        response_audit_id=op.answer.pk,
        response=op.response,
        **signals.payload(op.record),
    )


def _settled(op: Settle) -> None:
    if op.status == Status.FAILED:
        announce_failure(op.record, error_code=op.error_code, error=op.error, retryable=op.retryable)
    elif op.status == Status.SUCCEEDED and op.persist == PersistState.NONE:
        signals.tell(
            signals.ai_response_ready,
            sender_of(op.record),
            response=op.response,
            objects=[],
            **signals.payload(op.record),
        )
