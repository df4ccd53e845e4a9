"""The list of held results: the most urgent and oldest first, and decisions on many of them over a frozen list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.extensions import ListAction, add_list_action
from orchestration.admin.failure_display import add_page
from orchestration.admin.filters import ServiceFilter
from orchestration.causes.known import Place
from orchestration.models import ServiceCallRecord
from orchestration.operations import Operation
from orchestration.theme.parts import DropdownFilter, display
from orchestration.theme.words import NOTHING, moment, short_id
from persistence.admin.approvals.edit import edit_page
from persistence.admin.approvals.item import STATE_COLOURS, TRIGGERS, item_page, service_name, who_is_asked
from persistence.admin.approvals.queue import ASSIGNEE, ASSIGNEES, REASON, HoldQueue
from persistence.admin.bulk_actions import start_run
from persistence.approval.rights import VIEW
from persistence.models.approval import URGENCY, Hold, HoldState
from persistence.operations import APPROVE, REJECT

NEWEST = ("-decided_at", "-id")
add_page(Place.APPROVALS, "Approvals", "persistence_hold_changelist", VIEW)


class StateFilter(DropdownFilter):
    """The open ones, unless somebody asks for others."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.value) for state in HoldState if state is not HoldState.OPEN]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=state_asked_for(request))


def state_asked_for(request: HttpRequest) -> str:
    """What StateFilter shows."""
    asked = request.GET.get(StateFilter.parameter_name, "")
    return asked if asked in HoldState.values else HoldState.OPEN.value


class ReasonFilter(DropdownFilter):
    title = "reason"
    parameter_name = REASON

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(TRIGGERS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return HoldQueue.of(request.user, {REASON: self.value() or ""}).narrowed(queryset)  # type: ignore[arg-type]


class AssigneeFilter(DropdownFilter):
    title = "who is asked"
    parameter_name = ASSIGNEE

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return ASSIGNEES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return HoldQueue.of(request.user, {ASSIGNEE: self.value() or ""}).narrowed(queryset)  # type: ignore[arg-type]


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """What waits for a person's approval; the page of a row is where it is decided on."""

    list_display = ("what", "why", "rows_shown", "waits", "deadline_shown", "asked", "state_badge")
    list_display_links = ("what",)
    list_filter = (StateFilter, ServiceFilter, ReasonFilter, AssigneeFilter)
    list_select_related = ("assignee", "group")
    list_defer = ("answer", "edited", "shown", "essence", "moved", "error")
    sortable_by = ()

    def get_ordering(self, request: HttpRequest) -> Any:
        return URGENCY if state_asked_for(request) == HoldState.OPEN else NEWEST

    def get_urls(self) -> list[URLPattern]:
        edit = self.admin_site.admin_view(self.edit_view)
        return [path("<path:object_id>/edit/", edit, name="persistence_hold_edit"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The item itself, in place of a form."""
        return item_page(request, unquote(object_id))

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return edit_page(request, unquote(object_id))

    # --- columns ------------------------------------------------------------------------------

    def changelist_view(  # type: ignore[override]  # as in ReadOnlyAdmin
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "title": "Approvals"})

    @display(description="Result of")
    def what(self, hold: Hold) -> str:
        tool = f", tool {hold.tool}" if hold.tool else ""
        told_apart = format_html('<span class="orca-muted">{}</span>', short_id(hold.call_id))
        return format_html(
            '<span title="{}">{}{} {}</span>', hold.service_identity, service_name(hold), tool, told_apart
        )

    @display(description="Why it waits")
    def why(self, hold: Hold) -> str:
        return TRIGGERS.get(hold.trigger, hold.trigger)

    @display(description="Rows")
    def rows_shown(self, hold: Hold) -> str:
        return f"{hold.rows:,}"

    @display(description="Waits since")
    def waits(self, hold: Hold) -> str:
        return moment(hold.opened_at)

    @display(description="Deadline")
    def deadline_shown(self, hold: Hold) -> str:
        if hold.deadline is None:
            return NOTHING
        return format_html("{}, then {}", moment(hold.deadline), hold.at_deadline)

    @display(description="Asked")
    def asked(self, hold: Hold) -> str:
        return who_is_asked(hold) or NOTHING

    @display(description="State", label=STATE_COLOURS)
    def state_badge(self, hold: Hold) -> str:
        return hold.state


# --- many at once -----------------------------------------------------------------------------


def _calls_of(holds: QuerySet[Any]) -> QuerySet[Any]:
    """The calls whose results are held, in the order of the queue as far as calls know it."""
    results = holds.filter(state=HoldState.OPEN, tool_key="").order_by().values("call_id")
    return ServiceCallRecord.objects.filter(pk__in=results).order_by("-priority", "created_at", "pk")


def _on_many(operation: Operation) -> ListAction:
    def run(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return start_run(page, request, operation, rows, calls_of=_calls_of)

    return ListAction(name=f"{operation.key}_selected", title=operation.title, permission=operation.permission, run=run)


add_list_action(Hold, _on_many(APPROVE))
add_list_action(Hold, _on_many(REJECT))
