"""Service calls in the admin: find one, understand it, retry or cancel it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, time
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from orchestration.access_log import log_content_access
from orchestration.admin import call_detail
from orchestration.admin.attempt_comparison import COMPARISON, comparison
from orchestration.admin.base import (
    STATE_COLOURS,
    link_to,
    may_read_content,
)
from orchestration.admin.call_actions import CallOperations, call_url
from orchestration.admin.call_content import VIEW, content_file
from orchestration.admin.call_stream import VIEW as STREAM_VIEW
from orchestration.admin.call_stream import call_words
from orchestration.admin.filters import (
    EXPENSIVE,
    ErrorCodeFilter,
    HeldFilter,
    ModelFilter,
    MomentFilter,
    SavedFilter,
    ServiceFilter,
    added_call_filters,
    bound,
)
from orchestration.admin.indexed_search import HELP, SearchRefused, search
from orchestration.admin.newer_rows import NEWER_THAN, newer_rows
from orchestration.admin.saved_searches import forget_search, save_search, searches_above
from orchestration.admin.search_suggestions import suggestions
from orchestration.admin.sections import Crumb, Fact, Head, Section
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.states import PersistState
from orchestration.theme.parts import display
from orchestration.theme.reach import may_view, seen_in
from orchestration.theme.words import (
    NOTHING,
    id_cell,
    moment,
    nowrap,
    rounded_money,
    short_id,
)
from orchestration.values.generic_refs import reference

NAME = "orchestration_servicecallrecord"
LONGEST_TEXT = 1_000
"""Characters of a search that suggestions are given for."""


@admin.register(ServiceCallRecord)
class ServiceCallAdmin(CallOperations):
    """Nothing here is edited: operators change calls through the declared operations only."""

    list_display = (
        "number",
        "created",
        "state",
        "persistence",
        "service",
        "related",
        "model_name",
        "attempts_of",
        "duration",
        "cost_shown",
    )
    list_display_links = ("number",)
    list_filter = (
        SavedFilter,
        "status",
        "domain_persist_state",
        ServiceFilter,
        ModelFilter,
        ErrorCodeFilter,
        HeldFilter,
        ("created_at", MomentFilter),
        ("finished_at", MomentFilter),
    )
    list_select_related = ("related_content_type",)
    list_defer = ("input", "context", "result", "error", "domain_persist_error", "service_kwargs", "dispatch")
    ordering = ("-created_at", "-id")
    sortable_by = ("created",)
    search_fields = ("id",)  # shows the search field; get_search_results looks
    search_help_text = HELP
    detail_related = ("related_content_type", "requested_by")
    shows_content = True
    downloads = call_detail.CONTENT

    # --- the list ---------------------------------------------------------------------------

    @display(description="Call", ordering="id")
    def number(self, call: ServiceCallRecord) -> str:
        return id_cell(call.pk)

    @display(description="Status", label=STATE_COLOURS)
    def state(self, call: ServiceCallRecord) -> str:
        return call.status

    @display(description="Service")
    def service(self, call: ServiceCallRecord) -> str:
        label = call_detail.service_label(call)
        return format_html('<span class="orca-ellipsis" title="{}">{}</span>', label, label.rpartition(".")[2])

    @display(description="Related")
    def related(self, call: ServiceCallRecord) -> str:
        return nowrap(link_to(seen_in(call), reference(call.related_content_type, call.related_object_id)))

    @display(description="Model")
    def model_name(self, call: ServiceCallRecord) -> str:
        return nowrap(call.model or call.model_requested or NOTHING)

    @display(description="Attempts")
    def attempts_of(self, call: ServiceCallRecord) -> str:
        return nowrap(f"{call.attempts}/{call.max_attempts}")

    @display(description="Duration")
    def duration(self, call: ServiceCallRecord) -> str:
        return nowrap(call_detail.duration(call, database_now()))

    @display(description="Cost")
    def cost_shown(self, call: ServiceCallRecord) -> str:
        return rounded_money(call.cost)

    @display(description="Created", ordering="created_at")
    def created(self, call: ServiceCallRecord) -> str:
        return moment(call.created_at)

    @display(description="Persisted", label=STATE_COLOURS)
    def persistence(self, call: ServiceCallRecord) -> str | None:
        return None if call.domain_persist_state == PersistState.NONE else call.domain_persist_state

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The costliest first, where these are asked for."""
        return ("-cost", *self.ordering) if request.GET.get("saved") == EXPENSIVE else self.ordering

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (*super().get_list_filter(request), *added_call_filters())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ServiceCallRecord], search_term: str
    ) -> tuple[QuerySet[ServiceCallRecord], bool]:
        """See orchestration/admin/indexed_search.py; what cannot be searched for gives a message, and finds nothing."""
        if not search_term.strip():
            return queryset, False
        try:
            found = search(
                cast("ServiceCallQuerySet", queryset),
                search_term,
                content=may_read_content(request),
                before=created_before(request),
            )
        except SearchRefused as refusal:
            messages.error(request, str(refusal))
            return queryset.none(), False
        if found.note:
            messages.info(request, found.note)
        self.looked_for(request, found.looked)
        return found.rows, False

    @staticmethod
    def looked_for(request: HttpRequest, looked: list[str]) -> None:
        """For the page of a search that found nothing."""
        request.looked_for = f"Looked for calls {' and '.join(looked)}."  # type: ignore[attr-defined]

    def changelist_view(  # type: ignore[override]  # as of ReadOnlyAdmin
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if NEWER_THAN in request.GET:
            return newer_rows(self, request)
        above: dict[str, Any] = {
            "searches": searches_above(request),
            "suggest_url": reverse(f"admin:{NAME}_suggest"),
            "save_url": reverse(f"admin:{NAME}_save_search"),
        }
        return super().changelist_view(request, {**(extra_context or {}), **above})

    def suggest(self, request: HttpRequest) -> HttpResponse:
        """Completions of the last term of `q`, for the field of the search."""
        self._require_view(request)
        found = suggestions(request.GET.get("q", "")[:LONGEST_TEXT], content=may_read_content(request))
        items = [{"text": text, "term": each.term, "note": each.note, "more": each.more} for text, each in found]
        return JsonResponse({"items": items}, headers={"Cache-Control": "no-store"})

    def save_search(self, request: HttpRequest) -> HttpResponse:
        self._require_view(request)
        return require_POST(save_search)(request)

    def forget_search(self, request: HttpRequest, search_id: int) -> HttpResponse:
        self._require_view(request)
        return require_POST(forget_search)(request, search_id)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    # --- the page of one call ---------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own: dict[str, tuple[Callable[..., HttpResponseBase], str]] = {
            "<path:object_id>/attempts/": (self.compare_attempts, COMPARISON),
            "<path:object_id>/files/<str:digest>/": (partial(content_file, self), VIEW),
            "<path:object_id>/stream/": (partial(call_words, self), STREAM_VIEW),
            "suggest/": (self.suggest, f"{NAME}_suggest"),
            "searches/save/": (self.save_search, f"{NAME}_save_search"),
            "searches/<int:search_id>/remove/": (self.forget_search, f"{NAME}_forget_search"),
        }
        pages = [path(route, self.admin_site.admin_view(view), name=name) for route, (view, name) in own.items()]
        return [*pages, *super().get_urls()]

    def compare_attempts(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Two attempts of a call beside each other."""
        call = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        if call is None:
            raise Http404
        if may_read_content(request):
            log_content_access(request.user, call)
        context = {
            **self.admin_site.each_context(request),
            **comparison(call, request.GET, content=may_read_content(request)),
            "title": "Compare attempts",
            "opts": self.opts,
            "original": Crumb(call, short_id(call.pk)),
        }
        return TemplateResponse(request, "admin/orchestration/attempts.html", context)

    def detail_rows(self, rows: QuerySet[ServiceCallRecord]) -> QuerySet[ServiceCallRecord]:
        return call_detail.call_columns(super().detail_rows(rows))

    def head(self, request: HttpRequest, call: ServiceCallRecord) -> Head:
        return call_detail.head(call)

    def facts(self, request: HttpRequest, call: ServiceCallRecord) -> Iterable[Fact]:
        return call_detail.facts(call)

    def sections(self, request: HttpRequest, call: ServiceCallRecord) -> Iterable[Section]:
        return call_detail.sections(request, call)


def call_link(request: HttpRequest | None, call_id: str | None) -> str:
    """A call's short id as a link to its page, for those who may open it."""
    if call_id is None:
        return NOTHING
    if not may_view(request, ServiceCallRecord):
        return id_cell(call_id)
    return format_html('<a href="{}" class="orca-link">{}</a>', call_url(call_id), id_cell(call_id))


def created_before(request: HttpRequest) -> datetime | None:
    """The upper bound of the filter by creation, when there is one."""
    try:
        return bound(request.GET, "created_at_to", time.max)
    except ValueError:
        return None  # the filter says so
