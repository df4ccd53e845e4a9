"""Running one claimed call until it is settled, read from top to bottom. No transaction is open during a request."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Any

from django.db.models import Max

from orchestration import signals
from orchestration.components.prompt_overrides import edited_texts
from orchestration.components.prompts import RenderedPrompt, digest, render_plan
from orchestration.components.registry import services
from orchestration.components.routing import route_of
from orchestration.conf import engine_settings
from orchestration.engine.execution import audit_rows
from orchestration.engine.execution.answer_storage import store_failure, store_kept, store_or_keep
from orchestration.engine.execution.commands import OpenRequest
from orchestration.engine.execution.completion import end_broken, fail, interrupted, succeed
from orchestration.engine.execution.context import CallContext
from orchestration.engine.execution.fallback import destination
from orchestration.engine.execution.validation import (
    answer_at_rest,
    checked_result,
    repair_messages,
    result_of,
    storable,
    structured_value,
    validate,
)
from orchestration.engine.queue.database_thread import is_away, when_database_answers
from orchestration.engine.tracing import TracedSpan, call_span, request_span
from orchestration.errors import (
    CallError,
    InvalidOutput,
    OrchestrationError,
    ProviderError,
    StaleLease,
)
from orchestration.fault_injection import fault, is_armed
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.format_version import refuse_newer
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.types import ExecutionMetadata, JsonObject, Response, Usage

logger = logging.getLogger(__name__)

IN_FLIGHT_SECONDS = 0.05
"""How long after sending the fault point `in_flight` is reached."""


async def run_call(call: CallContext) -> None:
    """Run one claimed call until it is settled. Whatever goes wrong becomes the state of the row."""
    try:
        with isolated() as run, call_span(call.record) as span:
            await _attempt_until_settled(call, span)
    except asyncio.CancelledError:
        await interrupted(call)
        return
    if isinstance(run.error, StaleLease):
        logger.warning("stale write rejected call_id=%s token=%s", call.lease.call_id, call.lease.token)
    elif run.error is not None:  # left running, the call would be taken for a dead worker's and run again
        logger.error("call ended by the engine call_id=%s error=%s", call.lease.call_id, describe(run.error))
        await end_broken(call, run.error)


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
    # A service's own code, or its prompt, may raise anything; the call must end all the same.
    with isolated() as run:
        call.value = await _run_service(call)
        produced = _to_response(call)
    if run.error is None:
        return produced
    if isinstance(run.error, CallError | StaleLease):
        raise run.error
    raise _as_call_error(call, run.error) from run.error


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
    response = _response(call, None, output, data)
    return response, result_of(response)


# --- the default body -----------------------------------------------------------------------


async def default_body(call: CallContext) -> Response:
    """Use an answer that is stored already, or render and send; then validate, with one repair."""
    stored = await _stored_answer(call)
    if stored is not None:
        request, answer = stored
    else:
        request = await _prepare(call)
        answer = await _ask(call, request)
    schema = call.service.wiring.schema
    try:
        data = validate(answer, schema)
    except InvalidOutput as fault:
        if request.repair:
            raise
        await store_kept(call)
        request = await when_database_answers(_next_repair, request, answer, fault)
        answer = await _ask(call, request)
        data = validate(answer, schema)
    return _response(call, answer, answer.text, data)


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
    return request, answer_at_rest(request.response_audit)


def _last_answered(record: ServiceCallRecord) -> AIRequestAudit | None:
    found: AIRequestAudit | None = (
        AIRequestAudit.objects.filter(call=record, attempt__gt=record.judged_attempts, outcome=Outcome.ANSWERED)
        .select_related("response_audit")
        .order_by("attempt", "repair")
        .last()
    )
    return found


def _next_repair(original: AIRequestAudit, answer: ProviderResponse, fault: InvalidOutput) -> AIRequestAudit:
    """The repair's audit; its number skips repairs whose worker died."""
    tried = AIRequestAudit.objects.filter(call=original.call_id, attempt=original.attempt).aggregate(Max("repair"))
    messages = repair_messages(original, answer, fault)
    return audit_rows.repair_request(original, tried["repair__max"] + 1, messages, fault)


async def _prepare(call: CallContext) -> AIRequestAudit:
    service, record, asked = call.service, call.record, call.record.service_kwargs
    route = destination(record) or route_of(type(service), asked.get("client"), asked.get("model"))
    provider = call.runtime.providers.get(route.client)
    prompt = _given_prompt(record) or await render_plan(
        service.wiring.sections, _prompt_context(record), edited_texts(await call.runtime.stored_texts())
    )
    call.usage = Usage()
    return audit_rows.first_request(
        call,
        provider,
        route.model,
        messages=prompt.messages,
        prompt_meta=prompt.meta,
        parameters={**service.parameters, **(asked.get("parameters") or {})},
    )


def _given_prompt(record: ServiceCallRecord) -> RenderedPrompt | None:
    """The messages that were submitted in place of the prompt."""
    messages = record.service_kwargs.get("messages")
    return RenderedPrompt(messages=messages, meta={"given": True, "digest": digest(messages)}) if messages else None


def _prompt_context(record: ServiceCallRecord) -> JsonObject:
    related = record.related_object
    named = {related._meta.model_name: related} if related is not None else {}
    return {**named, **record.input, **record.context, "related_object": related, "call_id": record.pk}


async def _ask(call: CallContext, request: AIRequestAudit) -> ProviderResponse:
    """Audit, send once, store (or keep) what came back; nothing has validated it yet."""
    provider = call.runtime.providers.get(request.client_name)
    timeout = call.service.timeout or engine_settings().REQUEST_TIMEOUT_SECONDS
    await call.write(OpenRequest(lease=call.lease, record=call.record, request=request))
    call.attempt, call.request, call.in_flight = request.attempt, request, True
    started = time.monotonic()
    fault("in_repair" if request.repair else "before_send")
    # Whatever the provider's client raises, how the request ended is stored before anything else happens.
    with request_span(request) as span:
        with isolated() as sending:
            answer = storable(await _send(provider, audit_rows.to_provider_request(call, request, timeout)))
            span.answered(answer)
        error = None if sending.error is None else _as_provider_error(sending.error)
        if error is not None:
            span.failed(error.code)
    if error is not None:
        call.usage += error.usage
        await store_failure(call, request, error, time.monotonic() - started)
        raise error from sending.error
    fault("after_answer")
    call.usage += answer.usage
    row = audit_rows.answered(call, request, answer, time.monotonic() - started)
    has_receivers = signals.ai_response_received.receivers  # nearly never: spare the hot path
    await store_or_keep(call, answer, row, _response(call, answer, answer.text, None) if has_receivers else None)
    return answer


async def _send(provider: Provider, request: ProviderRequest) -> ProviderResponse:
    if not is_armed("in_flight"):
        return await provider.send(request)
    sending = asyncio.ensure_future(provider.send(request))
    await asyncio.sleep(IN_FLIGHT_SECONDS)
    fault("in_flight")
    return await sending


def _as_provider_error(raised: Exception) -> ProviderError:
    if isinstance(raised, ProviderError):
        return raised
    if isinstance(raised, OrchestrationError):
        return ProviderError(str(raised), code=raised.code, sent=False)
    logger.error("provider failed unexpectedly error=%s", describe(raised))
    return ProviderError(f"The provider's client raised {describe(raised)}.", code="internal_error")


def _response(
    call: CallContext, answer: ProviderResponse | None, output: str | None, data: JsonObject | None
) -> Response:
    record, service = call.record, call.service
    identity, wiring = service.identity, service.wiring
    response = Response(
        call_id=record.pk,
        namespace=identity.namespace,
        group=identity.group,
        name=identity.name,
        identity_str=identity.label,
        correlation_id=record.correlation_id,
        request_correlation_id=record.correlation_id,
        provider=call.request.provider if call.request else "",
        model=answer.model if answer else "",
        provider_response_id=(answer.provider_response_id or None) if answer else None,
        output=output,
        structured_data=data,
        usage=call.usage,
        finish_reason=answer.finish_reason if answer else "",
        context={**record.context, "call_id": record.pk},
        execution_metadata=ExecutionMetadata(
            service_identity=str(identity),
            schema_identity=str(wiring.schema.identity) if wiring.schema else "",
            schema_version=wiring.schema.version if wiring.schema else 0,
            schema_fingerprint=wiring.schema.strict.fingerprint if wiring.schema else "",
            codec_identity=str(wiring.codec.identity) if wiring.codec else "",
            attempt=call.attempt,
        ),
    )
    return response.attach(record.related_object)
