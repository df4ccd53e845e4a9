"""Signals for what was committed. They are sent in the thread of the database, so receivers may use it."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration import signals
from orchestration.engine.execution.commands import Command, OpenRequest, Settle, StoreAnswer
from orchestration.engine.failure_event import announce_failure, announce_without_result, sender_of
from orchestration.models.states import PersistState, Status

IMMEDIATE = "immediate"
"""`dispatch["mode"]` of a call whose caller waits: the caller's own code announces the stored result."""


def announce(commands: Sequence[Command]) -> None:
    """Send the public signals of committed writes, in their order."""
    for command in commands:
        if isinstance(command, OpenRequest):
            _request_sent(command)
        elif isinstance(command, StoreAnswer):
            _response_received(command)
        elif isinstance(command, Settle):
            if command.answer is not None:
                _response_received(command.answer)
            _settled(command)
    announce_without_result(
        command.record for command in commands if isinstance(command, Settle) and command.status == Status.FAILED
    )


def ask_for_persistence(commands: Sequence[Command]) -> None:
    """Say which results were stored, to what turns them into domain objects."""
    stored = [
        command.record.pk
        for command in commands
        if isinstance(command, Settle)
        and command.persist == PersistState.PENDING
        and command.record.dispatch.get("mode") != IMMEDIATE
    ]
    if stored:
        signals.dispatch(signals.results_stored, None, call_ids=stored, immediate=False)


def _request_sent(command: OpenRequest) -> None:
    if not signals.ai_request_sent.receivers:  # nearly always: spare the hot path
        return
    signals.dispatch(
        signals.ai_request_sent,
        sender_of(command.record),
        request_audit_id=command.request.pk,
        attempt=command.request.attempt,
        **command.record.signal_payload(),
    )


def _response_received(command: StoreAnswer) -> None:
    if not signals.ai_response_received.receivers:
        return
    signals.dispatch(
        signals.ai_response_received,
        sender_of(command.record),
        response_audit_id=command.answer.pk,
        response=command.response,
        **command.record.signal_payload(),
    )


def _settled(command: Settle) -> None:
    if command.status == Status.FAILED:
        announce_failure(
            command.record, error_code=command.error_code, error=command.error, retryable=command.retryable
        )
    elif (
        command.status == Status.SUCCEEDED
        and command.persist != PersistState.PENDING
        and not command.record.result_stays
    ):
        signals.dispatch(
            signals.ai_response_ready,
            sender_of(command.record),
            response=command.response,
            objects=[],
            **command.record.signal_payload(),
        )
