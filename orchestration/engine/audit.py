"""Building audit rows: what is about to be sent, what came back. Nothing here writes; the journal prices answers."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone

from orchestration.engine.judge import outputs_of
from orchestration.engine.session import CallSession
from orchestration.errors import InvalidOutput, ProviderError
from orchestration.models import AIRequestAudit, AIResponseAudit
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.types import JsonObject, Message


def first_request(session: CallSession, provider: Provider, model: str, **rendered: Any) -> AIRequestAudit:
    """The audit of a new attempt; `rendered` has messages, prompt_meta and parameters."""
    record, identity, schema = session.record, session.service.identity, session.service.wiring.schema
    return AIRequestAudit(
        call=record,
        attempt=session.attempt + 1,
        correlation_id=record.correlation_id,
        service_identity=record.service_identity,
        namespace=identity.namespace,
        kind=identity.group,
        name=identity.name,
        provider=provider.name,
        client_name=provider.client_name,
        model=model,
        surface=provider.surface,
        tools=list(session.service.tools),
        response_schema_identity=str(schema.identity) if schema else "",
        response_schema=schema.strict.json_schema if schema else None,
        object_db_pk=record.related_object_id or "",
        dispatched_at=timezone.now(),
        **rendered,
    )


def repair_request(
    original: AIRequestAudit, repair: int, messages: list[Message], fault: InvalidOutput
) -> AIRequestAudit:
    """The audit of the repair of an answered request: same attempt, same everything but the messages."""
    copied = (
        "call", "attempt", "correlation_id", "service_identity", "namespace", "kind", "name", "provider", "client_name",
        "model", "surface", "tools", "response_schema_identity", "response_schema", "parameters", "object_db_pk",
    )  # fmt: skip
    return AIRequestAudit(
        **{name: getattr(original, name) for name in copied},
        repair=repair,
        repair_of=original,
        messages=messages,
        prompt_meta={**original.prompt_meta, "problems": str(fault)},
        dispatched_at=timezone.now(),
    )


def to_provider_request(session: CallSession, audit: AIRequestAudit, timeout: float) -> ProviderRequest:
    """What goes to the provider is what was audited."""
    schema = session.service.wiring.schema
    return ProviderRequest(
        model=audit.model,
        messages=audit.messages,
        schema_name=schema.strict.name if schema else "",
        schema=audit.response_schema,
        parameters=audit.parameters,
        tools=audit.tools,
        timeout=timeout,
        context=session.record.context,
        request_id=f"{session.record.pk}:{audit.attempt}:{audit.repair}",
    )


def answered(session: CallSession, audit: AIRequestAudit, answer: ProviderResponse, seconds: float) -> AIResponseAudit:
    """The audit of an answer."""
    return AIResponseAudit(
        ai_request=audit,
        call=session.record,
        received_at=timezone.now(),
        latency_ms=round(seconds * 1000),
        first_byte_ms=answer.first_byte_ms,
        raw=answer.raw,
        outputs=outputs_of(answer),
        structured_data=_json_of(answer.text) if audit.response_schema else None,
        tool_calls=answer.tool_calls,
        finish_reason=answer.finish_reason,
        provider_response_id=answer.provider_response_id,
        model=answer.model or audit.model,
        service_tier=answer.service_tier,
        http_status=answer.http_status,
        execution_metadata=_metadata(session, audit, truncated=answer.truncated),
        **answer.usage.model_dump(),
    )


def failed(session: CallSession, audit: AIRequestAudit, error: ProviderError, seconds: float) -> AIResponseAudit:
    """The audit of an error: the provider's words stay in `raw`, behind the content permission."""
    return AIResponseAudit(
        ai_request=audit,
        call=session.record,
        received_at=timezone.now(),
        latency_ms=round(seconds * 1000),
        raw=error.body if isinstance(error.body, dict | list) else None,
        http_status=error.status,
        error_code=error.code,
        error=str(error)[:1000],
        execution_metadata=_metadata(session, audit, retry_after=error.retry_after),
    )


def _json_of(text: str) -> Any:
    """The answer's JSON as it came, before anybody validated it; None when it is none."""
    try:
        return json.loads(text, parse_constant=lambda _: None)  # NaN is no JSON, and no database takes it
    except ValueError:
        return None


def _metadata(session: CallSession, audit: AIRequestAudit, **extra: Any) -> JsonObject:
    return {
        "service_identity": session.record.service_identity,
        "worker": session.record.worker,
        "attempt": audit.attempt,
        "repair": audit.repair,
        **{key: value for key, value in extra.items() if value},
    }
