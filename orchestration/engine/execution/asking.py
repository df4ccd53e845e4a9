"""One request: audited, sent once, and what came back stored, or kept to be stored with the result of the call."""

from __future__ import annotations

import asyncio
import logging
import time

from orchestration import signals
from orchestration.components.routing import route_of
from orchestration.components.text_paths import steps_of
from orchestration.conf import engine_settings
from orchestration.engine.execution import audit_rows
from orchestration.engine.execution.answer_storage import store_failure, store_or_keep
from orchestration.engine.execution.commands import OpenRequest
from orchestration.engine.execution.content_loading import with_bytes
from orchestration.engine.execution.context import CallContext
from orchestration.engine.execution.fallback import destination
from orchestration.engine.execution.response_building import response_of
from orchestration.engine.execution.validation import storable
from orchestration.engine.streaming.relay import Request
from orchestration.engine.tracing import request_span
from orchestration.errors import OrchestrationError, ProviderError
from orchestration.fault_injection import fault, is_armed
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import AIRequestAudit
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.providers.capabilities import Capability

logger = logging.getLogger(__name__)

IN_FLIGHT_SECONDS = 0.05
"""How long after sending the fault point `in_flight` is reached."""


async def ask(call: CallContext, request: AIRequestAudit) -> ProviderResponse:
    """Audit, send once, store (or keep) what came back; nothing has validated it yet."""
    provider = call.runtime.providers.get(request.client_name)
    timeout = call.service.timeout or engine_settings().REQUEST_TIMEOUT_SECONDS
    await call.write(OpenRequest(lease=call.lease, record=call.record, request=request))
    call.attempt, call.request, call.in_flight = request.attempt, request, True
    started = time.monotonic()
    fault("in_repair" if request.repair_of_id else "before_send")
    # Whatever the provider's client raises, how the request ended is stored before anything else happens.
    with request_span(request) as span:
        with isolated() as sending:
            asked = audit_rows.to_provider_request(call, request, timeout)
            answer = storable(await _send(call, provider, await with_bytes(call, provider, asked)))
            span.answered(answer)
        error = None if sending.error is None else _as_provider_error(sending.error)
        if error is not None:
            span.failed(error.code)
    if error is not None:
        call.usage += error.usage
        if call.runtime.relay is not None:
            call.runtime.relay.discard(call.lease)
        await store_failure(call, request, error, time.monotonic() - started)
        raise error from sending.error
    fault("after_answer")
    call.usage += answer.usage
    row = audit_rows.answered(call, request, answer, time.monotonic() - started)
    has_receivers = signals.ai_response_received.receivers  # nearly never: spare the hot path
    await store_or_keep(call, answer, row, response_of(call, answer, answer.text, None) if has_receivers else None)
    return answer


def whom(call: CallContext) -> tuple[Provider, str]:
    """The provider and the model that a new attempt asks; ProviderError, NotConfigured when there is none."""
    asked = call.record.service_kwargs
    route = destination(call.record) or route_of(type(call.service), asked.get("client"), asked.get("model"))
    return call.runtime.providers.get(route.client), route.model


async def _send(call: CallContext, provider: Provider, request: ProviderRequest) -> ProviderResponse:
    answering = _streamed(call, provider, request) if _streams(call, provider) else provider.send(request)
    if not is_armed("in_flight"):
        return await answering
    sending = asyncio.ensure_future(answering)
    await asyncio.sleep(IN_FLIGHT_SECONDS)
    fault("in_flight")
    return await sending


def _streams(call: CallContext, provider: Provider) -> bool:
    if not call.service.stream or call.runtime.relay is None:  # nearly always: spare the hot path
        return False
    return Capability.STREAMING in provider.capabilities and Capability.STREAMING not in provider.client.without


async def _streamed(call: CallContext, provider: Provider, request: ProviderRequest) -> ProviderResponse:
    """Ask for a stream, and relay it."""
    stream, relay = call.service.stream, call.runtime.relay
    assert relay is not None and call.request is not None  # noqa: S101, PT018 - for the type checker
    steps = steps_of(stream) if isinstance(stream, str) else ()
    telling = relay.begin(call.lease, steps, Request(call.request.attempt, call.request.repair))
    return await provider.stream(request, telling.hear)


def _as_provider_error(raised: Exception) -> ProviderError:
    if isinstance(raised, ProviderError):
        return raised
    if isinstance(raised, OrchestrationError):
        return ProviderError(str(raised), code=raised.code, sent=False)
    logger.error("provider failed unexpectedly error=%s", describe(raised))
    return ProviderError(f"The provider's client raised {describe(raised)}.", code="internal_error")
