"""Running one claimed call to a settled end. Reads from top to bottom; no transaction is open while a model thinks."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Max
from django.utils import timezone

from orchestration import signals
from orchestration.conf import clients_settings, engine_settings
from orchestration.engine import audit as audits
from orchestration.engine.database import DATABASE_AWAY, when_database_answers
from orchestration.engine.faultpoints import fault, is_armed
from orchestration.engine.judge import answer_at_rest, judge, repair_messages, storable, structured_value
from orchestration.engine.ops import ChargeFailure, LoseRequest, OpenRequest, Settle, StoreAnswer
from orchestration.engine.session import CallSession, Interruption, Runtime
from orchestration.errors import CallCancelled, CallError, InvalidOutput, OrchestrationError, ProviderError, StaleLease
from orchestration.log import describe
from orchestration.models import AIRequestAudit, AIResponseAudit, PromptText, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status
from orchestration.prompt_texts import EditedTexts, known_texts, load_texts
from orchestration.prompts import RenderedPrompt, digest, render_plan
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.registry import services
from orchestration.types import ExecutionMetadata, JsonObject, Response, Usage

if TYPE_CHECKING:
    from orchestration.services import DjangoBaseService

logger = logging.getLogger(__name__)

IN_FLIGHT_SECONDS = 0.05
"""How long after sending the fault point `in_flight` strikes."""


def open_session(record: ServiceCallRecord, runtime: Runtime) -> CallSession:
    """A session for a record that this worker has just claimed."""
    return CallSession(record=record, runtime=runtime, body=default_body)


async def run_call(session: CallSession) -> None:
    """Carry one claimed call to its settled end. Whatever goes wrong becomes the state of the row."""
    try:
        await _attempt_until_settled(session)
    except StaleLease:
        logger.warning("stale write rejected call_id=%s token=%s", session.lease.call_id, session.lease.token)
    except asyncio.CancelledError:
        await _interrupted(session)


async def _attempt_until_settled(session: CallSession) -> None:
    while True:
        try:
            response = await _produce(session)
        except CallError as error:
            delay = await _fail(session, error)
            if delay is None:
                return
            await asyncio.sleep(delay)
        else:
            await _succeed(session, response)
            return


async def _produce(session: CallSession) -> Response:
    """One attempt: the service's body, every error turned into a CallError."""
    try:
        service_class = services.get(session.record.service_identity)
        session.service = service_class()
        session.service._session = session
        session.value = await session.service.execute(**session.record.input)
        return _to_response(session)
    except (CallError, StaleLease):
        raise
    except OrchestrationError as error:
        raise CallError(str(error), code=error.code) from error
    except DATABASE_AWAY as error:  # in the service's own code, or in its prompt
        raise CallError(f"The service raised {describe(error)}.", code="database_away", retryable=True) from error
    except Exception as error:
        # A service's own code may raise anything; the call must end all the same.
        logger.error("service failed call_id=%s error=%s", session.lease.call_id, describe(error))
        raise CallError(f"The service raised {describe(error)}.", code="internal_error") from error


def _to_response(session: CallSession) -> Response:
    value = session.value
    if isinstance(value, Response):
        return value
    output, data = structured_value(value, session.service.wiring.schema)
    return _response(session, None, output, data)


# --- the default body -----------------------------------------------------------------------


async def default_body(session: CallSession) -> Response:
    """Take up an answer that is already paid for, or render and send; then validate, with one repair."""
    stored = await _stored_answer(session)
    if stored is not None:
        request, answer = stored
    else:
        request = await _prepare(session)
        answer = await _ask(session, request)
    schema = session.service.wiring.schema
    try:
        data = judge(answer, schema)
    except InvalidOutput as fault:
        if request.repair:
            raise
        request = await when_database_answers(_next_repair, request, answer, fault)
        answer = await _ask(session, request)
        data = judge(answer, schema)
    return _response(session, answer, answer.text, data)


async def _stored_answer(session: CallSession) -> tuple[AIRequestAudit, ProviderResponse] | None:
    record = session.record
    if session.attempt <= record.judged_attempts or session.runtime.immediate:
        return None
    request = await when_database_answers(_last_answered, record)
    if request is None:
        return None
    logger.info("stored answer taken up call_id=%s attempt=%s", record.pk, request.attempt)
    session.request, session.usage = request, request.response_audit.usage
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
    messages = repair_messages(original.messages, answer, fault)
    return audits.repair_request(original, tried["repair__max"] + 1, messages, fault)


async def _prepare(session: CallSession) -> AIRequestAudit:
    service, record = session.service, session.record
    provider = session.runtime.providers.get(record.service_kwargs.get("client") or service.client)
    prompt = _given_prompt(record) or await render_plan(
        service.wiring.sections, _prompt_context(record), await _edited_texts()
    )
    session.usage = Usage()
    return audits.first_request(
        session,
        provider,
        record.service_kwargs.get("model") or service.model or clients_settings().clients[provider.client_name].model,
        messages=prompt.messages,
        prompt_meta=prompt.meta,
        parameters={**service.parameters, **(record.service_kwargs.get("parameters") or {})},
    )


async def _edited_texts() -> EditedTexts:
    known = known_texts()
    return await when_database_answers(load_texts, PromptText.objects.texts) if known is None else known


def _given_prompt(record: ServiceCallRecord) -> RenderedPrompt | None:
    """The messages that whoever submitted the call wrote in place of the prompt."""
    messages = record.service_kwargs.get("messages")
    return RenderedPrompt(messages=messages, meta={"given": True, "digest": digest(messages)}) if messages else None


def _prompt_context(record: ServiceCallRecord) -> JsonObject:
    related = record.related_object
    named = {related._meta.model_name: related} if related is not None else {}
    return {**named, **record.input, **record.context, "related_object": related, "call_id": record.pk}


async def _ask(session: CallSession, request: AIRequestAudit) -> ProviderResponse:
    """Audit, send once, store what came back; nothing has judged it yet."""
    provider = session.runtime.providers.get(request.client_name)
    timeout = session.service.timeout or engine_settings().REQUEST_TIMEOUT_SECONDS
    await _write(session, OpenRequest(lease=session.lease, record=session.record, request=request))
    session.attempt, session.request, session.in_flight = request.attempt, request, True
    started = time.monotonic()
    fault("in_repair" if request.repair else "before_send")
    try:
        answer = storable(await _send(provider, audits.to_provider_request(session, request, timeout)))
    except Exception as raised:
        # Whatever it was, how the request ended is stored before anything else; then it goes on.
        error = _as_provider_error(raised)
        row = audits.failed(session, request, error, time.monotonic() - started)
        await _store(session, row, Outcome.FAILED, None, headers=error.headers, retry_after=error.retry_after)
        raise error from raised
    fault("after_answer")
    session.usage += answer.usage
    row = audits.answered(session, request, answer, time.monotonic() - started)
    heard = signals.ai_response_received.receivers  # nearly never: spare the hot path
    response = _response(session, answer, answer.text, None) if heard else None
    await _store(session, row, Outcome.ANSWERED, response, headers=answer.headers)
    fault("after_store")
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


async def _store(
    session: CallSession, row: AIResponseAudit, outcome: Outcome, response: Response | None, **told: Any
) -> None:
    """`told`: the headers and retry_after of a StoreAnswer."""
    op = StoreAnswer(lease=session.lease, record=session.record, answer=row, outcome=outcome, response=response, **told)
    await _write(session, op)
    session.in_flight = False


async def _write(session: CallSession, op: OpenRequest | StoreAnswer | LoseRequest | Settle | ChargeFailure) -> None:
    await session.runtime.journal.write(op)


def _response(
    session: CallSession, answer: ProviderResponse | None, output: str | None, data: JsonObject | None
) -> Response:
    record, service = session.record, session.service
    identity, wiring = service.identity, service.wiring
    response = Response(
        call_id=record.pk,
        namespace=identity.namespace,
        group=identity.group,
        name=identity.name,
        identity_str=identity.label,
        correlation_id=record.correlation_id,
        request_correlation_id=record.correlation_id,
        provider=session.request.provider if session.request else "",
        model=answer.model if answer else "",
        provider_response_id=(answer.provider_response_id or None) if answer else None,
        output=output,
        structured_data=data,
        usage=session.usage,
        finish_reason=answer.finish_reason if answer else "",
        context={**record.context, "call_id": record.pk},
        execution_metadata=ExecutionMetadata(
            service_identity=str(identity),
            schema_identity=str(wiring.schema.identity) if wiring.schema else "",
            schema_version=wiring.schema.version if wiring.schema else 0,
            schema_fingerprint=wiring.schema.strict.fingerprint if wiring.schema else "",
            codec_identity=str(wiring.codec.identity) if wiring.codec else "",
            attempt=session.attempt,
        ),
    )
    return response.attach(record.related_object)


# --- ends -----------------------------------------------------------------------------------


async def _succeed(session: CallSession, response: Response) -> None:
    session.error = None
    await _write(
        session,
        Settle(
            lease=session.lease,
            record=session.record,
            status=Status.SUCCEEDED,
            response=response,
            result=response.model_dump(mode="json"),
            failures=session.failures,
            provider=response.provider,
            model=response.model,
            persist=PersistState.NONE if response.structured_data is None else PersistState.PENDING,
        ),
    )


async def _fail(session: CallSession, error: CallError) -> float | None:
    """Settle as failed or queue for later; the seconds to wait when this worker itself tries again."""
    session.error = error
    session.failures += 1
    await _give_up_request(session)
    delay = _delay(session, error)
    logger.warning(
        "attempt failed call_id=%s attempt=%s code=%s retry_in=%s",
        session.lease.call_id, session.attempt, error.code, delay,
    )  # fmt: skip
    if delay is not None and session.runtime.immediate:
        await _write(session, ChargeFailure(lease=session.lease, record=session.record, failures=session.failures))
        return delay
    await _write(
        session,
        Settle(
            lease=session.lease,
            record=session.record,
            status=Status.FAILED if delay is None else Status.QUEUED,
            due_at=None if delay is None else timezone.now() + timedelta(seconds=delay),
            error=str(error)[:1000],
            error_code=error.code,
            retryable=error.retryable,
            failures=session.failures,
            provider=session.request.provider if session.request else "",
            model=session.request.model if session.request else "",
        ),
    )
    return None


def _delay(session: CallSession, error: CallError) -> float | None:
    service: type[DjangoBaseService] | None = services.try_get(session.record.service_identity)
    policy = (service and service.retry) or engine_settings().retry
    policy = replace(policy, max_attempts=session.record.max_attempts)
    retry_after = error.retry_after if isinstance(error, ProviderError) else None
    return policy.decide(error, session.failures, retry_after=retry_after)


async def _give_up_request(session: CallSession) -> None:
    """A request that was handed over and never came back: nobody knows its answer."""
    if session.request is not None and session.in_flight:
        await _write(session, LoseRequest(lease=session.lease, record=session.record, request=session.request))
        session.in_flight = False


async def _interrupted(session: CallSession) -> None:
    """The pump (or the caller) stopped this call: say what became of its request, then settle or give it back."""
    if session.interruption is Interruption.LOST:
        return
    given_back = session.interruption is Interruption.GIVEN_BACK
    session.error = CallCancelled()
    try:
        await _give_up_request(session)
        await _write(
            session,
            Settle(
                lease=session.lease,
                record=session.record,
                status=Status.QUEUED if given_back else Status.CANCELLED,
                judged=not given_back,
                due_at=timezone.now() if given_back else None,
                failures=session.failures,
                error=None if given_back else str(session.error),
                error_code="" if given_back else CallCancelled.code,
            ),
        )
    except StaleLease:
        logger.warning("stale write rejected call_id=%s token=%s", session.lease.call_id, session.lease.token)
