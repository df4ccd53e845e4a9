"""The turns of a model that asks for tools: each tool is run once, then the model is asked again.

A turn is committed step by step: the answer, a row for each tool before it is run, the row's result after it, and the
next request. Whoever takes the call over continues at the first step that is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from orchestration.components.tools import ToolContext
from orchestration.engine.execution import audit_rows
from orchestration.engine.execution.answer_storage import store_kept
from orchestration.engine.execution.asking import whom
from orchestration.engine.execution.commands import BeginRuns, EndRun
from orchestration.engine.execution.context import CallContext
from orchestration.engine.execution.conversation import Conversation, last_turn, read
from orchestration.engine.execution.tool_approval import REFUSED_CODE, ToolAnswer, asked_about, wait_for_people, waits
from orchestration.engine.execution.tool_running import Failure, fail, run_tool, wrong_arguments
from orchestration.engine.execution.validation import answer_at_rest
from orchestration.engine.queue.database_thread import when_database_answers
from orchestration.errors import CallError, NotJson, ToolLimitReached
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.format_version import refuse_newer
from orchestration.models.tool_runs import ToolRun
from orchestration.providers.base import ProviderResponse
from orchestration.providers.turns import identified
from orchestration.types import JsonObject
from orchestration.values.sanitize import check_json, legible

NO_SUCH_TOOL = "unknown_tool"


def asks_for_tools(call: CallContext, answer: ProviderResponse) -> bool:
    """Whether the engine must run tools before this answer is one. What a provider ran by itself does not count."""
    tools = call.service.wiring.tools
    if not tools or not answer.tool_calls or answer.refusal is not None or answer.truncated or answer.filtered:
        return False
    return not answer.text.strip() or any(asked["name"] in tools for asked in answer.tool_calls)


def refuse_second_conversation(call: CallContext) -> None:
    """CallError: what a worker finds of a call must be one conversation, or it could not tell where to continue."""
    if call.conversation is not None:
        raise CallError("A service with tools asks once: call super().execute() once.", code="asked_twice")


async def resumed(call: CallContext) -> tuple[AIRequestAudit, ProviderResponse] | None:
    """The last turn of an attempt that failed, or of a worker that died: the call continues from there."""
    request = await when_database_answers(last_turn, call.record) if call.attempt else None
    if request is None:
        return None
    await read_again(call, request)
    _of(call).opens_attempt = True
    return request, answer_at_rest(request.response_audit)


async def read_again(call: CallContext, request: AIRequestAudit) -> None:
    """Read what was said before this request, whose answer another worker stored."""
    refuse_newer(request)
    call.conversation = await when_database_answers(read, call.record, request)
    call.usage = call.conversation.usage + request.response_audit.usage


async def next_turn(call: CallContext, request: AIRequestAudit, answer: ProviderResponse) -> AIRequestAudit:
    """Run the tools that the answer asks for, those that are not finished yet, and make the request that follows.

    Raises ToolLimitReached.
    """
    if call.conversation is None:
        call.conversation = Conversation(first=request)
    conversation, limits = call.conversation, call.service.tool_limits
    if conversation.turns >= limits.turns:
        raise ToolLimitReached(f"The model asked for tools in more than {limits.turns} turns (ToolLimits.turns).")
    runs = await _begun(call, request, answer)
    gate, told = asyncio.Semaphore(limits.parallel), await asked_about(call, runs)
    open_runs = [run for run in runs if not run.is_finished and not waits(told, run)]
    await _all_of([_finished(call, run, gate, told.get(run.key)) for run in open_runs])
    wait_for_people(told)
    conversation.take(request, answer, runs)
    if conversation.errors > limits.errors:
        raise ToolLimitReached(f"More than {limits.errors} runs of tools failed (ToolLimits.errors).")
    if limits.cost is not None:
        await _check_cost(call.record, limits.cost)
    return _following(call, conversation, request)


def _of(call: CallContext) -> Conversation:
    assert call.conversation is not None  # noqa: S101 - for the type checker
    return call.conversation


def _cost_of(call_id: str) -> Decimal | None:
    return ServiceCallRecord.objects.values_list("cost", flat=True).get(pk=call_id)


async def _check_cost(record: ServiceCallRecord, most: Decimal) -> None:
    cost = await when_database_answers(_cost_of, record.pk)
    if cost is not None and cost >= most:
        raise ToolLimitReached(f"The requests cost {cost} by now, and the limit is {most} (ToolLimits.cost).")


# --- the next request -------------------------------------------------------------------------


def _following(call: CallContext, conversation: Conversation, previous: AIRequestAudit) -> AIRequestAudit:
    """The request that tells the model what came of its tools: it has only what is new."""
    meta = {"turn": conversation.turns + 1}
    if not conversation.opens_attempt:
        return audit_rows.turn_request(previous, conversation.repair + 1, meta)
    conversation.opens_attempt, conversation.repair = False, 0
    return audit_rows.continued_request(call, *whom(call), previous=previous, prompt_meta=meta)


# --- running ----------------------------------------------------------------------------------


async def _begun(call: CallContext, request: AIRequestAudit, answer: ProviderResponse) -> list[ToolRun]:
    """The rows of the tools that an answer asks for, committed as begun; with the answer, where that was kept."""
    known = _of(call).unread.pop(request.pk, [])
    if known:
        again = [run for run in known if not run.is_finished]
        if again:
            await call.write(BeginRuns(lease=call.lease, record=call.record, again=[run.pk for run in again]))
        for run in again:
            run.status, run.attempts = ToolRun().status, run.attempts + 1
        return known
    calls = identified(answer.tool_calls, _of(call).turns + 1)
    runs = [_row(call, request, position, asked) for position, asked in enumerate(calls)]
    begin = BeginRuns(lease=call.lease, record=call.record, new=runs)
    await _all_of([store_kept(call), call.write(begin)])  # in one transaction
    return runs


def _row(call: CallContext, request: AIRequestAudit, position: int, asked: JsonObject) -> ToolRun:
    return ToolRun(
        request_id=request.pk,
        call_id=call.record.pk,
        position=position,
        provider_call_id=asked["id"],
        tool=legible(asked["name"], 128),
        arguments=_arguments(asked["arguments"]),
    )


def _arguments(text: str) -> Any:
    """The arguments as JSON that can be stored; None when they are none."""
    try:
        read = from_json(text or "{}")
        check_json(read, "arguments")
    except (ValueError, NotJson):
        return None
    return read


async def _finished(call: CallContext, run: ToolRun, gate: asyncio.Semaphore, told: ToolAnswer | None) -> None:
    """Run one tool to its end, and commit what came of it."""
    async with gate:
        stored = await _outcome(call, run, told)
        if not stored:
            await call.write(EndRun(lease=call.lease, record=call.record, run=run))


async def _outcome(call: CallContext, run: ToolRun, told: ToolAnswer | None) -> bool:
    """Whether what came of it is stored already. `told`: what was said of one that needs approval."""
    if told is not None and told.refused:
        fail(run, Failure(REFUSED_CODE, told.refused))
        return False
    tools = call.service.wiring.tools
    tool = tools.get(run.tool)
    if tool is None:
        fail(run, Failure(NO_SUCH_TOOL, f"There is no tool {run.tool}; there are: {', '.join(tools)}."))
        return False
    if run.arguments is None:
        fail(run, Failure("tool_arguments", "The arguments are not JSON."))
        return False
    try:
        keywords = tool.bound(run.arguments, _context(call, run))
    except ValidationError as error:
        fail(run, wrong_arguments(error))
        return False
    return await run_tool(tool, run, keywords, call.runtime.run_blocking)


def _context(call: CallContext, run: ToolRun) -> ToolContext:
    record = call.record
    return ToolContext(
        call_id=record.pk,
        key=run.key,
        attempt=run.attempts,
        input=record.input,
        context=record.context,
        related_object=record.related_object,
    )


async def _all_of(steps: Iterable[Awaitable[Any]]) -> None:
    """Side by side; when one of them raises, or all are cancelled, none continues."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    if not tasks:
        return
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
