"""Storing what came back from a provider: at once, or together with the result of the call.

An answer whose validation can neither block nor run an author's code is kept, and one transaction stores it and the
end of the call. Every other answer is stored before anything validates it, so that a crash of the validation does not
cost a second request.
"""

from __future__ import annotations

from orchestration.engine.execution import audit_rows
from orchestration.engine.execution.commands import StoreAnswer
from orchestration.engine.execution.context import CallContext
from orchestration.engine.execution.plain_schemas import is_plain
from orchestration.errors import NotStorable, ProviderError
from orchestration.fault_injection import fault, is_armed
from orchestration.models import AIRequestAudit, AIResponseAudit
from orchestration.models.audits import Outcome
from orchestration.providers.base import ProviderResponse
from orchestration.types import Response

LONGEST_KEPT = 64_000
"""Characters of an answer that is validated before it is stored: about a millisecond."""


async def store_or_keep(
    call: CallContext, answer: ProviderResponse, row: AIResponseAudit, heard: Response | None
) -> None:
    """Store an answer, or keep it where validating it costs next to nothing; `heard`: for receivers of signals."""
    command = StoreAnswer(
        lease=call.lease,
        record=call.record,
        answer=row,
        outcome=Outcome.ANSWERED,
        response=heard,
        headers=answer.headers,
    )
    call.kept = command
    if not _is_validated_at_once(call, answer) or is_armed("after_store"):
        await store_kept(call)
        fault("after_store")


def _is_validated_at_once(call: CallContext, answer: ProviderResponse) -> bool:
    schema = call.service.wiring.schema
    return (
        not call.service.overrides_execute and len(answer.text) <= LONGEST_KEPT and (schema is None or is_plain(schema))
    )


async def store_kept(call: CallContext) -> None:
    """Store the answer that was kept, if there is one, on its own."""
    command, call.kept = call.kept, None
    if command is None:
        return
    row = command.answer
    try:
        await _store(call, command)
    except NotStorable as refused:  # its cost and its end are stored all the same
        lost = ProviderError("The answer arrived, but the database refused to store it.", code=refused.code)
        lost.status, lost.usage, lost.model = row.http_status, row.usage, row.model
        await store_failure(call, row.ai_request, lost, row.latency_ms / 1000)
        raise lost from refused


async def store_failure(call: CallContext, request: AIRequestAudit, error: ProviderError, seconds: float) -> None:
    """Store that a request failed, with what the provider said."""
    row = audit_rows.failed(call, request, error, seconds)
    command = StoreAnswer(
        lease=call.lease,
        record=call.record,
        answer=row,
        outcome=Outcome.FAILED,
        headers=error.headers,
        retry_after=error.retry_after,
    )
    try:
        await _store(call, command)
    except NotStorable:
        row.raw = None  # the rest of the row is ours
        await _store(call, command)


async def _store(call: CallContext, command: StoreAnswer) -> None:
    await call.write(command)
    call.in_flight = False
