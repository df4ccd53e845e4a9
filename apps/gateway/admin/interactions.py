"""Interactions: a list with figures above it; content only for those who may read it, with a log entry."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import orjson
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from unfold.decorators import display

from apps.accounts.models import ApiKey
from apps.gateway.crypto import NotReadable, decrypt
from apps.gateway.exports import INTERACTIONS
from apps.gateway.metering.usage import recent_usage
from apps.gateway.models import Estimated, Interaction, InteractionPayload, Status
from orchestration.admin.base import STATE_COLOURS, DetailAdmin
from orchestration.admin.content_display import JsonText, as_json
from orchestration.admin.exact_search import ExactSearch
from orchestration.admin.extensions import add_list_action
from orchestration.admin.filters import ModelFilter
from orchestration.admin.sections import Fact, Section
from orchestration.theme.words import NOTHING, currency, moment, money
from orchestration.values.generic_refs import admin_path
from orchestration.values.truncated_json import MAX_CHARACTERS
from persistence.admin.exports import export_action
from persistence.admin.overview_charts import options

READ = "gateway.read_payload"
DAYS = 30
COLOURS = STATE_COLOURS | {
    Status.IN_FLIGHT: "primary",
    Status.COMPLETED: "success",
    Status.REFUSED: "warning",
    Status.CLIENT_LEFT: "warning",
}


add_list_action(Interaction, export_action(INTERACTIONS))


@admin.register(Interaction)
class InteractionAdmin(ExactSearch, DetailAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """Rows that only the gateway writes."""

    list_display = (
        "when",
        "shown_status",
        "error_code",
        "model",
        "key",
        "tokens",
        "shown_cost",
        "cache_kind",
        "latency",
    )
    list_filter = ("status", "endpoint", "cache_kind", "streamed", ModelFilter)
    list_select_related = ("api_key",)
    search_fields = ("request_id", "user_id", "api_key__prefix")
    search_help_text = "Request id, user id or key prefix"
    detail_related = ("api_key",)

    @display(description="Time", ordering="timestamp")
    def when(self, row: Interaction) -> str:
        return moment(row.timestamp)

    @display(description="Status", label=COLOURS, ordering="status")
    def shown_status(self, row: Interaction) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description="API key", empty_value=NOTHING)
    def key(self, row: Interaction) -> ApiKey | None:
        return row.api_key

    @display(description="Latency", ordering="latency_ms")
    def latency(self, row: Interaction) -> str:
        return NOTHING if row.latency_ms is None else f"{row.latency_ms} ms"

    @display(description="Tokens in / out")
    def tokens(self, row: Interaction) -> str:
        return f"{row.prompt_tokens} / {row.response_tokens}"

    @display(description="Cost", ordering="cost")
    def shown_cost(self, row: Interaction) -> str:
        return money(row.cost)

    def get_urls(self) -> Any:
        return [
            path("usage/", self.admin_site.admin_view(self.usage), name="gateway_interaction_usage"),
            *super().get_urls(),
        ]

    def usage(self, request: HttpRequest) -> HttpResponse:
        """Figures of the last weeks by day, key and model; without content."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Usage",
            "usage": recent_usage(DAYS),
            "usage_days": DAYS,
            "chart_options": json.dumps(options(legend=False)),
            "currency": currency(),
        }
        return TemplateResponse(request, "admin/gateway/usage.html", context)

    def facts(self, request: HttpRequest, obj: Any) -> Iterable[Fact]:
        row: Interaction = obj
        yield Fact("Status", row.get_status_display(), colour=COLOURS.get(row.status, ""))
        yield Fact("Time", moment(row.timestamp))
        yield Fact("Key", row.api_key or "none", _key_url(row.api_key) if row.api_key else None)
        yield Fact("Requested", f"{row.get_endpoint_display()} {row.model}")
        yield Fact("Answered by", f"{row.provider} {row.answered_by}".strip() or "nobody")
        if row.client:
            yield Fact("Client", row.client)
        if row.route_reason:
            yield Fact("Not the first route", row.route_reason)
        yield Fact("HTTP status", row.http_status or "none")
        if row.error_code:
            yield Fact("Error", row.error_code)
        yield Fact("Tokens in / out", f"{row.prompt_tokens} / {row.response_tokens}{_how_known(row)}")
        if row.embedding_tokens:
            yield Fact("Tokens embedded for the cache", row.embedding_tokens)
        reserved = Estimated.COST in row.estimated.split()
        yield Fact("Cost", f"{money(row.cost)}, what was reserved" if reserved else money(row.cost))
        yield Fact("Reserved", money(row.reserved_cost or Decimal(0)))
        yield Fact("Cache", row.get_cache_kind_display() or "no hit")
        yield Fact("Latency", self.latency(row))
        if row.first_token_ms is not None:
            yield Fact("First token after", f"{row.first_token_ms} ms")
        yield Fact("Compression", f"{row.compression}, {row.tokens_saved} tokens saved" if row.compression else "none")
        yield Fact("Personal data", "masked" if row.masked else "not masked")

    def sections(self, request: HttpRequest, obj: Any) -> Iterable[Section]:
        if not request.user.has_perm(READ):
            yield Section(title="Content", template="admin/gateway/hidden.html")
            return
        payload = InteractionPayload.objects.filter(pk=obj.pk).first()
        if payload is None:
            yield Section(title="Content", template="admin/gateway/gone.html")
            return
        self.log_change(request, obj, "Read the prompt and the answer.")
        parts = (("Asked", payload.prompt_enc), ("Sent", payload.sent_enc), ("Answered", payload.response_enc))
        for title, stored in parts:
            if stored is not None:
                context = {"title": f"{title}, as JSON", "json": _readable(stored)}
                yield Section(title=title, template="admin/gateway/payload.html", context=context)


def _how_known(row: Interaction) -> str:
    """What the provider did not report. Rows of older versions do not say which part that is."""
    parts = [part for part in row.estimated.split() if part != Estimated.COST]
    if not row.tokens_estimated:
        return ""
    return f", estimated: {', '.join(parts)}" if parts else ", estimated"


def _key_url(key: ApiKey) -> str:
    return admin_path("accounts_apikey_change", key.pk)


def _readable(stored: bytes | memoryview) -> JsonText:
    """The JSON, indented; plain text for a body that is not JSON or is too long for a page."""
    try:
        plain = decrypt(stored)
    except NotReadable as error:
        return JsonText(str(error), len(str(error)))
    if len(plain) <= MAX_CHARACTERS:
        with suppress(orjson.JSONDecodeError):
            return as_json(orjson.loads(plain))
    text = plain.decode(errors="replace")
    return JsonText(text[:MAX_CHARACTERS], len(text))
