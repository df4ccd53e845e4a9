"""Building audit rows of requests and answers. Nothing here writes; the group commit adds the cost."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model

from orchestration.clock import database_now
from orchestration.engine.execution.context import CallContext
from orchestration.engine.execution.validation import outputs_of, structured_data_of
from orchestration.errors import InvalidOutput, ProviderError
from orchestration.models import AIRequestAudit, AIResponseAudit
from orchestration.models.audits import WITH_TOOLS
from orchestration.models.format_version import FIRST
from orchestration.models.new_rows import new_row
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.providers.retry_after import note_if_capped
from orchestration.types import JsonObject, Message
from orchestration.values.sanitize import legible, storable_json, storable_texts

Audit = TypeVar("Audit", AIRequestAudit, AIResponseAudit)
COPIED = (
    *("call_id", "attempt", "correlation_id", "service_identity", "namespace", "kind", "name", "provider"),
    *("client_name", "model", "surface", "route_reason", "response_schema_identity", "parameters", "object_db_pk"),
    "format_version",
)
"""What a request has in common with the one that it follows in its attempt."""


def first_request(call: CallContext, provider: Provider, model: str, **rendered: Any) -> AIRequestAudit:
    """The audit of a new attempt; `rendered` has messages, prompt_meta and parameters."""
    record, identity, wiring = call.record, call.service.identity, call.service.wiring
    schema = wiring.schema
    row = new_row(
        AIRequestAudit,
        call_id=record.pk,
        attempt=call.attempt + 1,
        correlation_id=record.correlation_id,
        service_identity=record.service_identity,
        namespace=identity.namespace,
        kind=identity.group,
        name=identity.name,
        provider=provider.name,
        client_name=provider.client_name,
        model=model,
        surface=provider.surface,
        route_reason=record.route_reason,
        tools=list(wiring.described_tools),
        response_schema_identity=str(schema.identity) if schema else "",
        response_schema=schema.strict.json_schema if schema else None,
        object_db_pk=record.related_object_id or "",
        dispatched_at=database_now(),
        format_version=WITH_TOOLS if wiring.tools else FIRST,
        **rendered,
    )
    return _referring(row, call=record)


def continued_request(
    call: CallContext, provider: Provider, model: str, *, previous: AIRequestAudit, prompt_meta: JsonObject
) -> AIRequestAudit:
    """The audit of a new attempt that continues after the tools of `previous`: what it sends besides is with that."""
    request = first_request(call, provider, model, messages=[], prompt_meta=prompt_meta, parameters=parameters_of(call))
    request.tools, request.response_schema, request.continues_id = [], None, previous.pk
    return request


def turn_request(previous: AIRequestAudit, number: int, prompt_meta: JsonObject) -> AIRequestAudit:
    """The audit of the next request in an attempt, after the tools of `previous`."""
    return AIRequestAudit(
        **{name: vars(previous)[name] for name in COPIED},
        repair=number,
        continues_id=previous.pk,
        messages=[],
        prompt_meta=prompt_meta,
        dispatched_at=database_now(),
    )


def parameters_of(call: CallContext) -> JsonObject:
    """What the service and the call say of sampling."""
    return {**call.service.parameters, **(call.record.service_kwargs.get("parameters") or {})}


def repair_request(
    original: AIRequestAudit, repair: int, messages: list[Message], fault: InvalidOutput
) -> AIRequestAudit:
    """The audit of the repair of an answered request: same attempt, same everything but the messages."""
    return AIRequestAudit(
        **{name: vars(original)[name] for name in (*COPIED, "tools", "response_schema", "continues_id")},
        repair=repair,
        repair_of=original,
        messages=messages,
        prompt_meta={**original.prompt_meta, "problems": str(fault)},
        dispatched_at=database_now(),
    )


def to_provider_request(call: CallContext, audit: AIRequestAudit, timeout: float) -> ProviderRequest:
    """What goes to the provider is what was audited: with this request, and with those that it continues."""
    schema = call.service.wiring.schema
    before = call.conversation.messages if call.conversation and audit.continues_id else []
    return ProviderRequest(
        model=audit.model,
        messages=[*before, *audit.messages],
        schema_name=schema.strict.name if schema else "",
        schema=whole(call, audit).response_schema,
        parameters=audit.parameters,
        tools=whole(call, audit).tools,
        timeout=timeout,
        context=call.record.context,
        service=call.record.service_identity,
        request_id=f"{call.record.pk}:{audit.attempt}:{audit.repair}",
    )


def whole(call: CallContext, audit: AIRequestAudit) -> AIRequestAudit:
    """The request that has the tools and the schema of this one: itself, or the first of those that it continues."""
    return call.conversation.first if call.conversation and audit.continues_id else audit


def answered(call: CallContext, audit: AIRequestAudit, answer: ProviderResponse, seconds: float) -> AIResponseAudit:
    """The audit of an answer."""
    return _about(
        call,
        audit,
        received_at=database_now(),
        latency_ms=round(seconds * 1000),
        first_byte_ms=answer.first_byte_ms,
        raw=answer.raw,
        outputs=outputs_of(answer),
        structured_data=structured_data_of(answer) if whole(call, audit).response_schema else None,
        tool_calls=[storable_texts(call) for call in answer.tool_calls],
        finish_reason=answer.finish_reason,
        provider_response_id=answer.provider_response_id,
        model=answer.model or audit.model,
        service_tier=answer.service_tier,
        http_status=answer.http_status,
        execution_metadata=_metadata(call, audit, truncated=answer.truncated, filtered=answer.filtered),
        **answer.usage.model_dump(),
    )


def failed(call: CallContext, audit: AIRequestAudit, error: ProviderError, seconds: float) -> AIResponseAudit:
    """The audit of an error, with its usage: the provider's words stay in `raw`, behind the content permission."""
    paid = error.usage.total_tokens > 0
    return _about(
        call,
        audit,
        received_at=database_now(),
        latency_ms=round(seconds * 1000),
        raw=None if error.body is None else storable_json(error.body),
        model=legible(error.model, 128) or audit.model if paid else "",
        http_status=error.status,
        error_code=legible(error.code, 64),
        error=legible(str(error), 1000),
        execution_metadata=_metadata(
            call, audit, retry_after=error.retry_after, capped=note_if_capped(error.retry_after)
        ),
        **error.usage.model_dump(),
    )


def _about(call: CallContext, audit: AIRequestAudit, **columns: Any) -> AIResponseAudit:
    row = new_row(AIResponseAudit, call_id=call.record.pk, ai_request_id=audit.pk, **columns)
    return _referring(row, call=call.record, ai_request=audit)


def _referring(row: Audit, **rows: Model) -> Audit:
    """The row, with those that it refers to by their keys. An assignment would also make a request refer to its answer:
    such a circle, with all that hangs on it, is left to the garbage collector, which took a tenth of a worker's time to
    find one for each call."""
    for name, other in rows.items():
        row._meta.get_field(name).set_cached_value(row, other)  # type: ignore[union-attr]  # a foreign key
    return row


def _metadata(call: CallContext, audit: AIRequestAudit, **extra: Any) -> JsonObject:
    return {
        "service_identity": call.record.service_identity,
        "worker": call.record.worker,
        "attempt": audit.attempt,
        "repair": audit.repair,
        **{key: value for key, value in extra.items() if value},
    }
