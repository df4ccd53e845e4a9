"""Running one claimed call until it is settled, read from top to bottom. No transaction is open during a request."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from django.db.models import Max

from orchestration.components.prompt_overrides import edited_texts
from orchestration.components.prompts import RenderedPrompt, digest, render_plan
from orchestration.components.registry import services
from orchestration.engine.execution import audit_rows
from orchestration.engine.execution.answer_storage import store_kept
from orchestration.engine.execution.asking import ask, whom
from orchestration.engine.execution.completion import end_broken, fail, interrupted, succeed
from orchestration.engine.execution.context import CallContext
from orchestration.engine.execution.response_building import response_of
from orchestration.engine.execution.tool_turns import (
    asks_for_tools,
    next_turn,
    read_again,
    refuse_second_conversation,
    resumed,
)
from orchestration.engine.execution.validation import (
    answer_at_rest,
    checked_result,
    repair_messages,
    result_of,
    structured_value,
    validate,
)
from orchestration.engine.queue.database_thread import is_away, when_database_answers
from orchestration.engine.tracing import TracedSpan, call_span
from orchestration.errors import (
    CallError,
    InvalidOutput,
    OrchestrationError,
    PromptError,
    StaleLease,
)
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.format_version import refuse_newer
from orchestration.providers.base import ProviderResponse
from orchestration.types import JsonObject, Response, Usage

logger = logging.getLogger(__name__)


async def run_call(call: CallContext) -> None:
    """Run one claimed call until it is settled. Whatever goes wrong becomes the state of the row."""
    try:
        with isolated() as run, call_span(call.record) as span:
            await _attempt_until_settled(call, span)
        if isinstance(run.error, StaleLease):
            logger.warning("stale write rejected call_id=%s token=%s", call.lease.call_id, call.lease.token)
        elif run.error is not None:  # left running, the call would be taken for a dead worker's and run again
            logger.error("call ended by the engine call_id=%s error=%s", call.lease.call_id, describe(run.error))
            await end_broken(call, run.error)
    except asyncio.CancelledError:
        await interrupted(call)
    finally:
        if call.runtime.relay is not None:
            call.runtime.relay.end(call.lease)


async def _attempt_until_settled(call: CallContext, span: TracedSpan) -> None:
    while True:
        try:
            response, result = await _produce(call)
            await succeed(call, response, result)
        except CallError as error:
            delay = await fail(call, error)
            if delay is None:
                span.failed(error.code)
                return
            await asyncio.sleep(delay)
        else:
            return


async def _produce(call: CallContext) -> tuple[Response, JsonObject]:
    """One attempt: the service's body and its result as it will be stored, every error turned into a CallError."""
    call.conversation = None
    # A service's own code, or its prompt, may raise anything; the call must end all the same.
    with isolated() as run:
        call.value = await _run_service(call)
        produced = _to_response(call)
    if run.error is None:
        return produced
    raised: Exception = run.error
    if isinstance(raised, PromptError) and is_away(raised.__cause__):  # the section asked the database
        raised = raised.__cause__
    if isinstance(raised, CallError | StaleLease):
        raise raised
    raise _as_call_error(call, raised) from raised


async def _run_service(call: CallContext) -> Any:
    service_class = services.get(call.record.service_identity)
    call.service = service_class()
    if not service_class.overrides_execute:
        return await default_body(call)
    call.service._default_body = partial(default_body, call)
    return await call.service.execute(**call.record.input)


def _as_call_error(call: CallContext, raised: Exception) -> CallError:
    if isinstance(raised, OrchestrationError):
        return CallError(str(raised), code=raised.code)
    message = f"The service raised {describe(raised)}."
    if is_away(raised):
        return CallError(message, code="database_away", retryable=True)
    logger.error("service failed call_id=%s error=%s", call.lease.call_id, describe(raised))
    return CallError(message, code="internal_error")


def _to_response(call: CallContext) -> tuple[Response, JsonObject]:
    """The response and what is stored of it. Only what an author's `execute()` returned is checked once more."""
    value, schema = call.value, call.service.wiring.schema
    if isinstance(value, Response):
        if call.service.overrides_execute:
            return value, checked_result(value, schema)
        return value, value.model_dump(mode="json")
    output, data = structured_value(value, schema)
    response = response_of(call, None, output, data)
    return response, result_of(response)


# --- the default body -----------------------------------------------------------------------


async def default_body(call: CallContext) -> Response:
    """Use an answer that is stored already, or render and send; run the tools that the model asks for; then validate,
    with one repair."""
    refuse_second_conversation(call)
    request, answer = await _stored_answer(call) or await _first_answer(call)
    schema = call.service.wiring.schema
    while True:
        if asks_for_tools(call, answer):
            request = await next_turn(call, request, answer)
            answer = await ask(call, request)
            continue
        try:
            data = validate(answer, schema)
        except InvalidOutput as fault:
            if request.repair_of_id is not None:
                raise
            await store_kept(call)
            request = await when_database_answers(_next_repair, call, request, answer, fault)
            answer = await ask(call, request)
        else:
            return response_of(call, answer, answer.text, data)


async def _first_answer(call: CallContext) -> tuple[AIRequestAudit, ProviderResponse]:
    """Continue where a conversation with tools was broken off, or begin."""
    if call.service.wiring.tools:
        found = await resumed(call)
        if found is not None:
            return found
    request = await _prepare(call)
    return request, await ask(call, request)


async def _stored_answer(call: CallContext) -> tuple[AIRequestAudit, ProviderResponse] | None:
    record = call.record
    if call.attempt <= record.judged_attempts or call.runtime.immediate:
        return None
    request = await when_database_answers(_last_answered, record)
    if request is None:
        return None
    refuse_newer(request)
    refuse_newer(request.response_audit)
    logger.info("stored answer used call_id=%s attempt=%s", record.pk, request.attempt)
    call.request, call.usage = request, request.response_audit.usage
    if call.service.wiring.tools:
        await read_again(call, request)
    return request, answer_at_rest(request.response_audit)


def _last_answered(record: ServiceCallRecord) -> AIRequestAudit | None:
    found: AIRequestAudit | None = (
        AIRequestAudit.objects.filter(call=record, attempt__gt=record.judged_attempts, outcome=Outcome.ANSWERED)
        .select_related("response_audit")
        .order_by("attempt", "repair")
        .last()
    )
    return found


def _next_repair(
    call: CallContext, original: AIRequestAudit, answer: ProviderResponse, fault: InvalidOutput
) -> AIRequestAudit:
    """The repair's audit; its number skips repairs whose worker died."""
    tried = AIRequestAudit.objects.filter(call=original.call_id, attempt=original.attempt).aggregate(Max("repair"))
    with_schema = audit_rows.whole(call, original).response_schema is not None
    messages = repair_messages(original, answer, fault, with_schema=with_schema)
    return audit_rows.repair_request(original, tried["repair__max"] + 1, messages, fault)


async def _prepare(call: CallContext) -> AIRequestAudit:
    service, record = call.service, call.record
    provider, model = whom(call)
    prompt = _given_prompt(record) or await render_plan(
        service.wiring.sections, _prompt_context(record), edited_texts(await call.runtime.stored_texts())
    )
    call.usage = Usage()
    return audit_rows.first_request(
        call,
        provider,
        model,
        messages=prompt.messages,
        prompt_meta=prompt.meta,
        parameters=audit_rows.parameters_of(call),
    )


def _given_prompt(record: ServiceCallRecord) -> RenderedPrompt | None:
    """The messages that were submitted in place of the prompt."""
    messages = record.service_kwargs.get("messages")
    return RenderedPrompt(messages=messages, meta={"given": True, "digest": digest(messages)}) if messages else None


def _prompt_context(record: ServiceCallRecord) -> JsonObject:
    related = record.related_object
    named = {related._meta.model_name: related} if related is not None else {}
    return {**named, **record.input, **record.context, "related_object": related, "call_id": record.pk}
