"""What the pages of persistence share: rendering, permissions, and entries in the history of a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from orchestration.admin.operations import ReasonForm as ReasonForm
from orchestration.admin.sections import Crumb
from orchestration.models import ServiceCallRecord
from orchestration.theme.styles import add_style_sheet
from orchestration.theme.words import short_id
from orchestration.typed_settings import optional_setting
from orchestration.values.generic_refs import key_of

View = Callable[..., HttpResponseBase]
VIEW_CALLS = "orchestration.view_servicecallrecord"
OVERVIEW = "persistence.admin.overview.dashboard"

add_style_sheet("persistence/operations.css")

_pages: list[tuple[str, str, View]] = []


def page(route: str, name: str) -> Callable[[View], View]:
    """Serve a view as `admin:persistence_<name>`; it is wrapped so that only staff come in."""

    def add(view: View) -> View:
        _pages.append((route, f"persistence_{name}", view))
        return view

    return add


def page_urls() -> list[URLPattern]:
    return [path(route, admin.site.admin_view(view), name=name) for route, name, view in _pages]


def show_overview(site: admin.AdminSite) -> None:
    """Let the site's first page begin with the overview, where its theme has it and nobody chose another page."""
    if optional_setting("UNFOLD", {}).get("DASHBOARD_CALLBACK") == OVERVIEW and site.index_template is None:
        site.index_template = "admin/persistence/index.html"


def render(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """A page of the console below `admin/persistence/`; one about a `call` says so in the path at its top."""
    shared = {**admin.site.each_context(request), "title": title}
    call = context.get("call")
    if isinstance(call, ServiceCallRecord):
        shared |= {"opts": call._meta, "original": Crumb(call, short_id(call.pk))}
    return TemplateResponse(request, f"admin/persistence/{template}", shared | context)


def require(request: HttpRequest, *permissions: str) -> None:
    """PermissionDenied (403) unless this person has all of them."""
    if not request.user.has_perms(permissions):
        raise PermissionDenied


def shown_call(request: HttpRequest, call_id: str) -> ServiceCallRecord:
    """A call for someone who may view calls, its content unread; 403 or 404 otherwise."""
    require(request, VIEW_CALLS)
    rows = ServiceCallRecord.objects.defer("input", "context", "result")
    key = key_of(ServiceCallRecord, call_id)
    call = None if key is None else rows.filter(pk=key).first()
    if call is None:
        raise Http404
    return call


def note(request: HttpRequest, obj: Model, message: str) -> None:
    """An entry in the history of a row."""
    LogEntry.objects.log_actions(request.user.pk or 0, [obj], CHANGE, message.strip(), single_object=True)
