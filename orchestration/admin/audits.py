"""Requests to providers and their answers in the admin: read-only, content behind its permission."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestration.admin.attempt_display import ANSWER_CONTENT, REQUEST_CONTENT, attempts_of, attempts_section, tokens
from orchestration.admin.base import (
    STATE_COLOURS,
    DetailAdmin,
    may_read_content,
)
from orchestration.admin.call_actions import call_url
from orchestration.admin.calls import call_link
from orchestration.admin.content_display import JsonText, stored
from orchestration.admin.exact_search import ExactSearch
from orchestration.admin.filters import ErrorCodeFilter, ModelFilter, MomentFilter
from orchestration.admin.sections import Fact, Section
from orchestration.models import AIRequestAudit, AIResponseAudit
from orchestration.theme.parts import display
from orchestration.theme.reach import seen_in
from orchestration.theme.words import (
    NOTHING,
    moment,
    money,
    rounded_money,
    seconds,
)
from orchestration.values.generic_refs import admin_path
from orchestration.values.truncated_json import cut

PARTS = {
    "raw": "As the provider sent it",
    "outputs": "Outputs",
    "structured_data": "Structured data",
    "tool_calls": "Tool calls",
    "execution_metadata": "Execution",
}
"""Columns of an answer, by what they are called on its page."""


@admin.register(AIRequestAudit)
class RequestAuditAdmin(ExactSearch, DetailAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """What was sent."""

    list_display = (
        "number",
        "outcome_badge",
        "service",
        "call_link",
        "attempt_of",
        "provider",
        "model",
        "sent",
    )
    list_display_links = ("number",)
    list_filter = ("outcome", ModelFilter, ("dispatched_at", MomentFilter))
    linked_lookups = ("call__id__exact",)
    list_defer = ("messages", "tools", "response_schema", "parameters", "prompt_meta")
    ordering = ("-dispatched_at", "-id")
    sortable_by = ("sent",)
    search_fields = ("call", "correlation_id")
    search_help_text = "Call id or correlation id"
    shows_content = True
    downloads = REQUEST_CONTENT

    @display(description="Request")
    def number(self, audit: AIRequestAudit) -> str:
        return f"#{audit.pk}"

    @display(description="Outcome", label=STATE_COLOURS)
    def outcome_badge(self, audit: AIRequestAudit) -> str:
        return audit.outcome

    @display(description="Service")
    def service(self, audit: AIRequestAudit) -> str:
        return f"{audit.namespace}.{audit.kind}.{audit.name}"

    @display(description="Call")
    def call_link(self, audit: AIRequestAudit) -> str:
        return call_link(seen_in(audit), audit.call_id)

    @display(description="Attempt")
    def attempt_of(self, audit: AIRequestAudit) -> str:
        return f"{audit.attempt}, repair {audit.repair}" if audit.repair else str(audit.attempt)

    @display(description="Sent", ordering="dispatched_at")
    def sent(self, audit: AIRequestAudit) -> str:
        return moment(audit.dispatched_at)

    def facts(self, request: HttpRequest, audit: AIRequestAudit) -> Iterable[Fact]:
        yield Fact("Outcome", audit.outcome, colour=STATE_COLOURS.get(audit.outcome, ""))
        yield Fact("Call", audit.call_id or NOTHING, audit.call_id and call_url(audit.call_id))
        yield Fact("Service", self.service(audit))
        yield Fact("Attempt", self.attempt_of(audit))
        yield Fact("Sent", moment(audit.dispatched_at))
        yield Fact("Provider", f"{audit.provider} {audit.model}")
        yield Fact("Client", f"{audit.client_name} {audit.surface}".strip() or NOTHING)
        yield Fact("Correlation id", audit.correlation_id)
        if audit.answer:
            yield Fact("Answer", audit.answer, _response_url(audit.answer.pk))

    def detail_rows(self, rows: QuerySet[AIRequestAudit]) -> QuerySet[AIRequestAudit]:
        return attempts_of(super().detail_rows(rows))

    def sections(self, request: HttpRequest, audit: AIRequestAudit) -> Iterable[Section]:
        yield attempts_section([audit], content=may_read_content(request))


@admin.register(AIResponseAudit)
class ResponseAuditAdmin(ExactSearch, DetailAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """What came back."""

    list_display = (
        "number",
        "call_link",
        "model",
        "finish_reason",
        "http_status",
        "error_badge",
        "total_tokens",
        "cost_shown",
        "latency",
        "received",
    )
    list_display_links = ("number",)
    list_filter = (ModelFilter, ErrorCodeFilter, ("received_at", MomentFilter))
    linked_lookups = ("call__id__exact",)
    list_defer = ("raw", "outputs", "structured_data", "tool_calls", "error", "execution_metadata")
    ordering = ("-received_at", "-id")
    sortable_by = ("received",)
    search_fields = ("call", "provider_response_id")
    search_help_text = "Call id or the provider's response id"
    detail_related = ("ai_request", "price")
    shows_content = True
    downloads = (*ANSWER_CONTENT, "tool_calls", "execution_metadata")

    @display(description="Answer")
    def number(self, answer: AIResponseAudit) -> str:
        return f"#{answer.pk}"

    @display(description="Call")
    def call_link(self, answer: AIResponseAudit) -> str:
        return call_link(seen_in(answer), answer.call_id)

    @display(description="Error", label="danger")
    def error_badge(self, answer: AIResponseAudit) -> str | None:
        return answer.error_code or None

    @display(description="Cost")
    def cost_shown(self, answer: AIResponseAudit) -> str:
        return rounded_money(answer.cost)

    @display(description="Latency")
    def latency(self, answer: AIResponseAudit) -> str:
        return seconds(timedelta(milliseconds=answer.latency_ms))

    @display(description="Received", ordering="received_at")
    def received(self, answer: AIResponseAudit) -> str:
        return moment(answer.received_at)

    def facts(self, request: HttpRequest, answer: AIResponseAudit) -> Iterable[Fact]:
        yield Fact("Call", answer.call_id or NOTHING, answer.call_id and call_url(answer.call_id))
        yield Fact("Request", answer.ai_request, _request_url(answer.ai_request_id))
        yield Fact("Received", moment(answer.received_at))
        yield Fact("Latency", self.latency(answer))
        yield Fact("Model", answer.model or NOTHING)
        yield Fact("Finish reason", answer.finish_reason or NOTHING)
        yield Fact("HTTP status", answer.http_status or NOTHING)
        if answer.error_code:
            yield Fact("Error code", answer.error_code, colour="danger")
        yield Fact("Tokens", tokens(answer))
        yield Fact("Cost", money(answer.cost))
        yield Fact("Price", answer.price or NOTHING)
        yield Fact("Provider's id", answer.provider_response_id or NOTHING)

    def detail_rows(self, rows: QuerySet[AIResponseAudit]) -> QuerySet[AIResponseAudit]:
        of_request = (f"ai_request__{name}" for name in (*REQUEST_CONTENT, "parameters", "prompt_meta"))
        return cut(super().detail_rows(rows), self.downloads).defer(*self.downloads, *of_request)

    def sections(self, request: HttpRequest, answer: AIResponseAudit) -> Iterable[Section]:
        content = may_read_content(request)
        found = ((title, self._part(answer, column)) for column, title in PARTS.items()) if content else ()
        yield Section(
            title="Answer",
            template="admin/orchestration/parts/payloads.html",
            context={
                "payloads": [(title, part) for title, part in found if part is not None],
                "content": content,
                "error": answer.error,
            },
        )

    def _part(self, answer: AIResponseAudit, column: str) -> JsonText | None:
        url = admin_path("orchestration_airesponseaudit_content", answer.pk, column)
        return stored(answer, column, url=url)


def _request_url(pk: int) -> str:
    return admin_path("orchestration_airequestaudit_change", pk)


def _response_url(pk: int) -> str:
    return admin_path("orchestration_airesponseaudit_change", pk)
