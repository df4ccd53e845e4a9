"""Service calls in the admin: find one, understand it, retry or cancel it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from orchestration.admin.base import (
    NOTHING,
    STATE_COLOURS,
    DetailAdmin,
    as_json,
    detail_action,
    link_to,
    may_read_content,
    moment,
    money,
    nowrap,
    seconds,
    short_id,
)
from orchestration.admin.filters import ErrorCodeFilter, ModelFilter, ServiceFilter
from orchestration.admin.operations import (
    CANCEL,
    RETRY,
    Operation,
    ReasonForm,
    carry_out,
    plan,
    selected,
)
from orchestration.admin.sections import Fact, Section, added_call_sections
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.references import reference
from orchestration.timeline import timeline

ID_PREFIX = re.compile(r"(?=.*[0-9])[0-9a-f-]{4,64}\Z")
LISTED_ON_CONFIRMATION = 20
LISTED_REPLAYS = 50


@admin.register(ServiceCallRecord)
class ServiceCallAdmin(DetailAdmin):
    """Nothing here is edited: what an operator may do are the model's transitions."""

    list_display = (
        "number",
        "state",
        "service",
        "related",
        "model_name",
        "attempts_of",
        "duration",
        "cost_shown",
        "persistence",
        "created",
    )
    list_display_links = ("number",)
    list_filter = (
        "status",
        "domain_persist_state",
        ServiceFilter,
        ModelFilter,
        ErrorCodeFilter,
        ("created_at", RangeDateTimeFilter),
    )
    list_select_related = ("related_content_type",)
    list_defer = ("input", "context", "result", "error", "domain_persist_error", "service_kwargs", "dispatch")
    ordering = ("-created_at", "-id")
    sortable_by = ("created",)
    search_fields = ("id", "correlation_id", "error_code")
    search_help_text = "Start of an id, correlation id, error code"
    actions = ("retry_selected", "cancel_selected")
    actions_detail = ("retry_call", "cancel_call")  # type: ignore[assignment]  # unfold says: no actions at all
    detail_related = ("related_content_type", "requested_by")
    shows_content = True

    # --- the list ---------------------------------------------------------------------------

    @display(description="Call", ordering="id")
    def number(self, call: ServiceCallRecord) -> str:
        return nowrap(short_id(call.pk))

    @display(description="Status", label=STATE_COLOURS)
    def state(self, call: ServiceCallRecord) -> str:
        return call.status

    @display(description="Service")
    def service(self, call: ServiceCallRecord) -> str:
        label = service_label(call)
        return format_html('<span class="orca-nowrap" title="{}">{}</span>', label, label.rpartition(".")[2])

    @display(description="Related")
    def related(self, call: ServiceCallRecord) -> str:
        return link_to(reference(call.related_content_type, call.related_object_id))

    @display(description="Model")
    def model_name(self, call: ServiceCallRecord) -> str:
        return nowrap(call.model or NOTHING)

    @display(description="Attempts")
    def attempts_of(self, call: ServiceCallRecord) -> str:
        return nowrap(f"{call.attempts} of {call.max_attempts}")

    @display(description="Duration")
    def duration(self, call: ServiceCallRecord) -> str:
        if call.started_at is None:
            return NOTHING
        return nowrap(seconds((call.finished_at or timezone.now()) - call.started_at))

    @display(description="Cost")
    def cost_shown(self, call: ServiceCallRecord) -> str:
        return money(call.cost)

    @display(description="Created", ordering="created_at")
    def created(self, call: ServiceCallRecord) -> str:
        return moment(call.created_at)

    @display(description="Persisted", label=STATE_COLOURS)
    def persistence(self, call: ServiceCallRecord) -> str:
        return call.domain_persist_state

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ServiceCallRecord], search_term: str
    ) -> tuple[QuerySet[ServiceCallRecord], bool]:
        """By the form of the term, so that each search is one that an index serves."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if correlation := _as_uuid(term):
            return queryset.filter(pk=term) | queryset.filter(correlation_id=correlation), False
        if ID_PREFIX.match(term):
            return queryset.filter(pk__startswith=term), False
        return queryset.filter(error_code=term), False

    # --- the page of one call ---------------------------------------------------------------

    def facts(self, request: HttpRequest, call: ServiceCallRecord) -> Iterable[Fact]:
        owner = call.requested_by
        related = reference(call.related_content_type, call.related_object_id)
        yield Fact("Status", call.status, colour=STATE_COLOURS.get(call.status, ""))
        yield Fact("Persisted", call.domain_persist_state, colour=STATE_COLOURS.get(call.domain_persist_state, ""))
        if call.error_code:
            yield Fact("Error code", call.error_code, colour="danger")
        yield Fact("Service", service_label(call))
        yield Fact("Related object", related.label if related else NOTHING, related.admin_url if related else None)
        yield Fact("Requested by", owner or NOTHING)
        yield Fact("Model", f"{call.provider} {call.model}".strip() or NOTHING)
        deaths = f", {call.deaths} deaths of workers" if call.deaths else ""
        yield Fact("Attempts", f"{call.attempts} of {call.max_attempts}{deaths}")
        yield Fact("Duration", self.duration(call))
        yield Fact("Tokens", tokens(call))
        yield Fact("Cost", money(call.cost))
        yield Fact("Schema", f"{call.schema_identity} v{call.schema_version}" if call.schema_identity else NOTHING)
        yield Fact("Correlation id", call.correlation_id)
        yield Fact("Priority", call.priority)
        if call.ordering_key:
            yield Fact("Order", f"{call.ordering_key}, number {call.sequence}")
        if call.idempotency_key:
            yield Fact("Idempotency key", call.idempotency_key)
        if call.parent_id:
            yield Fact("Replay of", call.parent_id, call_url(call.parent_id))

    def sections(self, request: HttpRequest, call: ServiceCallRecord) -> Iterable[Section]:
        audits = list(call.request_audits.select_related("response_audit").order_by("attempt", "repair", "id"))
        content = may_read_content(request)
        yield Section(
            title="Timeline",
            template="admin/orchestration/parts/timeline.html",
            context={"events": timeline(call, audits)},
        )
        yield from added_call_sections(request, call)
        yield attempts_section(audits, content=content)
        yield _payload_section(call, content=content)
        replays = list(call.replays.defer(*self.list_defer)[:LISTED_REPLAYS])
        if replays:
            yield Section(
                title="Replays",
                template="admin/orchestration/parts/calls.html",
                context={"calls": [(replay, call_url(replay.pk)) for replay in replays]},
            )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Buttons only for what the call's present status allows."""
        call = (
            ServiceCallRecord.objects.only("status", "cancel_requested_at").filter(pk=unquote(str(object_id))).first()
        )
        possible = {operation.title for operation in (RETRY, CANCEL) if call and not operation.objection(call)}
        return [button for button in super().get_actions_detail(request, object_id) if button.description in possible]

    # --- operations -------------------------------------------------------------------------

    def has_retry_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return RETRY.allowed(request)

    def has_cancel_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return CANCEL.allowed(request)

    @admin.action(description="Retry the selected calls", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[ServiceCallRecord]) -> HttpResponse | None:
        return self._operate_on_selected(request, RETRY, "retry_selected")

    @admin.action(description="Cancel the selected calls", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[ServiceCallRecord]) -> HttpResponse | None:
        return self._operate_on_selected(request, CANCEL, "cancel_selected")

    @detail_action(description="Retry", url_path="retry", permissions=["retry"], icon="refresh")
    def retry_call(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._operate_on_one(request, RETRY, object_id)

    @detail_action(description="Cancel", url_path="cancel", permissions=["cancel"], icon="cancel")
    def cancel_call(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._operate_on_one(request, CANCEL, object_id)

    def _operate_on_selected(self, request: HttpRequest, operation: Operation, name: str) -> HttpResponse | None:
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        calls = selected(request, self.get_queryset(request), keys)
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            carry_out(operation, self, request, calls, form.cleaned_data["reason"])
            return None
        hidden = [("action", name), *((ACTION_CHECKBOX_NAME, key) for key in keys)]
        return self._confirmation(request, operation, calls, form, hidden, back=request.get_full_path())

    def _operate_on_one(self, request: HttpRequest, operation: Operation, object_id: str) -> HttpResponse:
        key = unquote(object_id)
        call = self.get_object(request, key) if self.has_view_permission(request) else None
        if call is None:
            raise Http404
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            carry_out(operation, self, request, [call], form.cleaned_data["reason"])
            return HttpResponseRedirect(call_url(call.pk))
        return self._confirmation(request, operation, [call], form, [], back=call_url(call.pk))

    def _confirmation(
        self,
        request: HttpRequest,
        operation: Operation,
        calls: list[ServiceCallRecord],
        form: ReasonForm,
        hidden: list[tuple[str, str]],
        *,
        back: str,
    ) -> HttpResponse:
        planned = plan(operation, calls)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{operation.title} {len(calls)} service call{'' if len(calls) == 1 else 's'}",
            "opts": self.opts,
            "operation": operation,
            "plan": planned,
            "listed": [(call, call_url(call.pk)) for call in planned.will[:LISTED_ON_CONFIRMATION]],
            "unlisted": max(len(planned.will) - LISTED_ON_CONFIRMATION, 0),
            "form": form,
            "hidden": hidden,
            "back": back,
        }
        return TemplateResponse(request, "admin/orchestration/confirm.html", context)


def call_url(call_id: str) -> str:
    """A call's page."""
    return reverse("admin:orchestration_servicecallrecord_change", args=(call_id,))


def service_label(call: ServiceCallRecord) -> str:
    """`namespace.group.Name`."""
    return call.service_identity.partition(".")[2] or call.service_identity


def call_link(call_id: str | None) -> str:
    """A call's short id as a link to its page."""
    if call_id is None:
        return NOTHING
    return format_html('<a href="{}" class="orca-link orca-nowrap">{}</a>', call_url(call_id), short_id(call_id))


def attempts_section(audits: Iterable[AIRequestAudit], *, content: bool) -> Section:
    """Every request with its answer; audits oldest first, `response_audit` loaded."""
    shown = [audit_context(audit, content=content) for audit in audits]
    return Section(
        title="Attempts",
        template="admin/orchestration/parts/attempts.html",
        context={"attempts": shown, "content": content},
    )


def audit_context(audit: AIRequestAudit, *, content: bool) -> dict[str, Any]:
    """A request and its answer, as parts/attempt.html shows it."""
    answer = audit.answer
    shown: dict[str, Any] = {
        "audit": audit,
        "answer": answer,
        "colour": STATE_COLOURS.get(audit.outcome, ""),
        "tokens": tokens(answer) if answer else NOTHING,
        "cost": money(answer.cost) if answer else NOTHING,
        "content": content,
        "parameters": as_json(audit.parameters),
    }
    if content:
        shown |= {
            "messages": audit.messages,
            "response_schema": as_json(audit.response_schema) if audit.response_schema else None,
            "tools": as_json(audit.tools) if audit.tools else None,
            "raw": as_json(answer.raw) if answer and answer.raw is not None else None,
            "structured": as_json(answer.structured_data) if answer and answer.structured_data is not None else None,
        }
    return shown


def _payload_section(call: ServiceCallRecord, *, content: bool) -> Section:
    payloads = []
    if content:
        payloads = [
            (title, as_json(value))
            for title, value in (("Result", call.result), ("Input", call.input), ("Context", call.context))
            if value
        ]
    return Section(
        title="Result, input and context",
        template="admin/orchestration/parts/payloads.html",
        context={
            "payloads": payloads,
            "content": content,
            "error": call.error,
            "persist_error": call.domain_persist_error,
        },
    )


def tokens(row: Any) -> str:
    usage = row.usage
    if not usage.total_tokens:
        return NOTHING
    cached = f" ({usage.cached_input_tokens} cached)" if usage.cached_input_tokens else ""
    return f"{usage.input_tokens}{cached} in, {usage.output_tokens} out, {usage.total_tokens} in all"


def _as_uuid(term: str) -> UUID | None:
    try:
        return UUID(term) if len(term) in {32, 36} else None
    except ValueError:
        return None
