"""The exports of calls and audits: which columns there are, and how an audit becomes a dialogue."""

from __future__ import annotations

from typing import Any

from import_export.fields import Field
from import_export.resources import ModelResource

from orchestration.engine.execution.conversation import full_messages
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.types import JsonObject
from persistence.exports.registry import Exporter, add_exporter

USAGE = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "total_tokens", "cost")


class CallResource(ModelResource):
    """One row a call."""

    class Meta:
        model = ServiceCallRecord
        fields = (
            *("id", "service_identity", "namespace", "status", "error_code", "retryable", "correlation_id"),
            *("priority", "ordering_key", "sequence", "attempts", "failures", "deaths", "max_attempts"),
            *(
                "client",
                "model_requested",
                "route_reason",
                "provider",
                "model",
                *USAGE,
                "schema_identity",
                "schema_version",
                "parent_id",
            ),
            *("created_at", "started_at", "finished_at", "domain_persist_state", "persisted_at"),
            *("input", "context", "result", "error", "domain_persist_error"),
        )
        export_order = fields


class RequestResource(ModelResource):
    """One row a request, with what came back for it."""

    latency_ms = Field("response_audit__latency_ms", "latency_ms")
    finish_reason = Field("response_audit__finish_reason", "finish_reason")
    answer_error_code = Field("response_audit__error_code", "answer_error_code")
    total_tokens = Field("response_audit__total_tokens", "total_tokens")
    cost = Field("response_audit__cost", "cost")
    structured_data = Field("response_audit__structured_data", "structured_data")

    class Meta:
        model = AIRequestAudit
        fields = (
            *("id", "call_id", "attempt", "repair", "outcome", "service_identity", "provider", "client_name"),
            *("model", "surface", "route_reason", "response_schema_identity", "correlation_id", "dispatched_at"),
            *("latency_ms", "finish_reason", "answer_error_code", "total_tokens", "cost"),
            *("messages", "tools", "parameters", "structured_data"),
        )
        export_order = fields


class ResponseResource(ModelResource):
    """One row an answer."""

    class Meta:
        model = AIResponseAudit
        fields = (
            *("id", "ai_request_id", "call_id", "received_at", "latency_ms", "finish_reason", "provider_response_id"),
            *("model", "service_tier", *USAGE, "http_status", "error_code"),
            *("error", "outputs", "structured_data", "tool_calls", "raw"),
        )
        export_order = fields


OURS = frozenset({"raw", "surface"})
"""Fields of messages that are for providers alone."""


def request_dialogue(audit: AIRequestAudit) -> JsonObject | None:
    """What was sent and what was answered; None for what failed, and for requests that a repair had to follow."""
    answer = audit.answer
    if audit.outcome != Outcome.ANSWERED or answer is None or answer.error_code:
        return None
    text = "".join(_texts(answer.outputs))
    if not text:
        return None
    spoken = [{key: value for key, value in each.items() if key not in OURS} for each in full_messages(audit)]
    return {"messages": [*spoken, {"role": "assistant", "content": text}]}


def _texts(outputs: Any) -> list[str]:
    """The text of stored outputs, however a provider nests it."""
    if isinstance(outputs, str):
        return [outputs]
    if isinstance(outputs, list):
        return [text for item in outputs for text in _texts(item)]
    if isinstance(outputs, dict):
        return _texts(outputs.get("text") or outputs.get("content") or [])
    return []


CALLS = add_exporter(
    Exporter(
        name="calls",
        model=ServiceCallRecord,
        permission="orchestration.export_servicecallrecord",
        resource=CallResource,
        content=frozenset({"input", "context", "result", "error", "domain_persist_error"}),
    )
)
REQUESTS = add_exporter(
    Exporter(
        name="requests",
        model=AIRequestAudit,
        permission="orchestration.export_airequestaudit",
        resource=RequestResource,
        content=frozenset({"messages", "tools", "parameters", "structured_data"}),
        related=("response_audit",),
        dialogue=request_dialogue,
    )
)
RESPONSES = add_exporter(
    Exporter(
        name="responses",
        model=AIResponseAudit,
        permission="orchestration.export_airesponseaudit",
        resource=ResponseResource,
        content=frozenset({"error", "outputs", "structured_data", "tool_calls", "raw"}),
    )
)
