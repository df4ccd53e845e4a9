"""Rows as the REST API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from orchestration.api.permissions import call_links
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.tool_runs import ToolRun
from orchestration.types import JsonObject
from orchestration.values.columns import value_of

CONTENT_COLUMNS = ("input", "context", "result", "error", "domain_persist_error", "service_kwargs", "dispatch")
"""Columns that no list reads."""


def call_summary(request: HttpRequest, call: ServiceCallRecord) -> JsonObject:
    """A call as CallSummary; `related_content_type` should be loaded."""
    return {
        **_values(call, _SAME_NAME),
        "usage": call.usage,
        "service": call.service_identity,
        "route": str(call.route),
        "output_schema": _output_schema(call),
        "related": _related(call),
        "parent": call.parent_id,
        "persist": {
            "state": call.domain_persist_state,
            "attempts": call.domain_persist_attempts,
            "next_at": call.next_persist_at,
            "persisted_at": call.persisted_at,
        },
        "links": call_links(request, call.pk),
    }


def call_detail(request: HttpRequest, call: ServiceCallRecord, *, content: bool) -> JsonObject:
    """A call as CallOut."""
    return {
        **call_summary(request, call),
        "content": _shown(content),
        "input": call.input if content else None,
        "context": call.context if content else None,
        "result": call.result if content else None,
        "error": call.error if content else None,
        "persist_error": call.domain_persist_error if content else None,
    }


def attempts(audits: Iterable[AIRequestAudit], *, content: bool) -> list[JsonObject]:
    """Request audits (oldest first, `response_audit` and `tool_runs` loaded) as AttemptOut: what follows in an attempt
    is under it."""
    found: dict[int, JsonObject] = {}
    for audit in audits:
        shown = request_audit(audit, content=content)
        if audit.attempt in found and audit.repair:
            found[audit.attempt]["repairs"].append(shown)
        else:
            found[audit.attempt] = {**shown, "repairs": []}
    return list(found.values())


def request_audit(audit: AIRequestAudit, *, content: bool) -> JsonObject:
    """A request as RequestOut."""
    return {
        **_values(audit, _REQUEST_SAME_NAME),
        "content": _shown(content),
        "messages": audit.messages if content else None,
        "tools": audit.tools if content else None,
        "response_schema": audit.response_schema if content else None,
        "answer": _answer(audit.answer, content=content) if audit.answer else None,
        "continues": audit.continues_id,
        "tool_runs": [_tool_run(run, content=content) for run in audit.tool_runs.all()],
    }


def _tool_run(run: ToolRun, *, content: bool) -> JsonObject:
    hidden = dict.fromkeys(_RUN_CONTENT)
    return _values(run, _RUN_SAME_NAME) | (_values(run, _RUN_CONTENT) if content else hidden)


def _answer(answer: AIResponseAudit, *, content: bool) -> JsonObject:
    hidden = dict.fromkeys(_ANSWER_CONTENT)
    figures = _values(answer, _ANSWER_SAME_NAME) | {"usage": answer.usage}
    return figures | (_values(answer, _ANSWER_CONTENT) if content else hidden)


def _values(row: Model, names: tuple[str, ...]) -> JsonObject:
    return {name: value_of(row, name) for name in names}


def _shown(content: bool) -> str:
    return "shown" if content else "hidden"


def _output_schema(call: ServiceCallRecord) -> JsonObject | None:
    if not call.schema_identity:
        return None
    return {
        "identity": call.schema_identity,
        "version": call.schema_version,
        "fingerprint": call.schema_fingerprint,
    }


def _related(call: ServiceCallRecord) -> dict[str, Any] | None:
    kind = call.related_content_type
    if kind is None or call.related_object_id is None:
        return None
    return {"model": f"{kind.app_label}.{kind.model}", "id": call.related_object_id}


_SAME_NAME = (
    *("id", "namespace", "status", "error_code", "retryable", "correlation_id", "priority", "ordering_key"),
    *("attempts", "max_attempts", "deaths", "route_reason", "provider", "model", "cost"),
    *("created_at", "due_at", "started_at", "finished_at", "cancel_requested_at"),
)
_REQUEST_SAME_NAME = (
    *("id", "attempt", "repair", "outcome", "dispatched_at", "provider", "client_name", "model", "surface"),
    *("route_reason", "response_schema_identity", "parameters"),
)
_ANSWER_SAME_NAME = (
    *("received_at", "latency_ms", "model", "finish_reason", "provider_response_id", "http_status", "error_code"),
    "cost",
)
_RUN_SAME_NAME = ("tool", "position", "status", "attempts", "started_at", "finished_at", "error_code")
_RUN_CONTENT = ("arguments", "result", "error")
_ANSWER_CONTENT = ("error", "raw", "outputs", "structured_data", "tool_calls")
