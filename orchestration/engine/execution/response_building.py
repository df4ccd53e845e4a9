"""The `Response` of a call, from what came back."""

from __future__ import annotations

from orchestration.engine.execution.context import CallContext
from orchestration.providers.base import ProviderResponse
from orchestration.types import ExecutionMetadata, JsonObject, Response


def response_of(
    call: CallContext, answer: ProviderResponse | None, output: str | None, data: JsonObject | None
) -> Response:
    """What a service's caller, and the handlers of its result, get; `answer` is None where no model was asked."""
    record, service = call.record, call.service
    asked = call.request.model if call.request and answer else ""  # some servers do not say who answered
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
        model=(answer.model if answer else "") or asked,
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
