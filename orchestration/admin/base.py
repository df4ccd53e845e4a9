"""Base classes of the engine's admin pages: read-only lists that never count rows, detail pages made of sections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from django.contrib.admin import ShowFacets
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import F, Model, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html

from orchestration.access_log import log_content_access
from orchestration.admin.extensions import AddedActions, Button
from orchestration.admin.newer_rows import NEWER_THAN, newer_rows, watching
from orchestration.admin.sections import Crumb, Fact, Head, Section, in_tabs
from orchestration.theme.parts import ChangeList, InfinitePaginator, ModelAdmin, TabularInline, action
from orchestration.theme.reach import may_open, show_to, url_of
from orchestration.theme.words import NOTHING, short_id
from orchestration.values.declared_filters import DeclaredFilters
from orchestration.values.generic_refs import Reference

VIEW_CONTENT = "orchestration.view_content"
Method = TypeVar("Method", bound=Callable[..., Any])
detail_action = cast("Callable[..., Callable[[Method], Method]]", action)
"""A button of a detail page; unfold's own annotation calls the result a mapping."""

STATE_COLOURS = {
    "queued": "info",
    "running": "primary",
    "succeeded": "success",
    "failed": "danger",
    "cancelled": "warning",
    "pending": "info",
    "held": "warning",
    "persisted": "success",
    "dead": "danger",
    "answered": "success",
    "done": "success",
    "unknown": "warning",
}
"""Badge colours by status, persist state and outcome; whatever is not here stays grey."""


def may_read_content(request: HttpRequest) -> bool:
    """Whether prompts, answers and payloads may be shown to this person."""
    return request.user.has_perm(VIEW_CONTENT)


def link_to(request: HttpRequest | None, reference: Reference | None) -> str:
    """A reference as a link to its admin page, or as text when it has none that this person may open; a long key is
    shown by its end, and can be copied whole."""
    if reference is None:
        return NOTHING
    key = reference.object_id
    name = reference.label.removesuffix(key)
    shown = f"{name}{short_id(key)}"
    attributes = format_html(' title="{}{}" data-id="{}"', name, key, key) if short_id(key) != key else ""
    url = url_of(request, reference)
    if url:
        return format_html('<a href="{}" class="orca-link"{}>{}</a>', url, attributes, shown)
    return format_html("<span{}>{}</span>", attributes, shown) if attributes else shown


class LeanChangeList(ChangeList):
    """Lists without the columns that no list shows."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        return rows.defer(*self.model_admin.list_defer)  # type: ignore[attr-defined]  # is a ReadOnlyAdmin

    def get_results(self, request: HttpRequest) -> None:
        if getattr(request, "is_only_counted", False):  # by orchestration/admin/newer_rows.py
            self.result_count = self.full_result_count = 0
            self.result_list, self.show_all, self.multi_page, self.can_show_all = [], False, False, False
            return
        super().get_results(request)
        self.result_list = list(self.result_list)
        show_to(request, self.result_list)
        self.model_admin.prepare_page(self.result_list)  # type: ignore[attr-defined]  # is a ReadOnlyAdmin


class ReadOnlyAdmin(DeclaredFilters, AddedActions, ModelAdmin):  # type: ignore[misc]  # unfold's own mixins differ from Django's
    """Rows that only the engine writes."""

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_disable_select_all = True
    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    actions: Sequence[Any] = ()
    list_defer: Sequence[str] = ()
    """Columns that the list does not read."""
    content_columns: Sequence[str] = ()
    """Columns of the list and fields of the page that only those see and search who may read content."""
    shows_content = False
    """The page of a row shows prompts or answers to those who may see them; looking at it is then logged."""

    def get_changelist(  # type: ignore[override]  # unfold's annotation names an instance
        self, request: HttpRequest, **kwargs: Any
    ) -> type[ChangeList]:
        return LeanChangeList

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Paginator[Any]:
        """Rows are never counted; the entries about one of them, on its history page, are."""
        kind = Paginator if queryset.model is LogEntry else self.paginator
        return kind(queryset, *args, **kwargs)

    def _open_to(self, request: HttpRequest, names: Iterable[Any]) -> list[Any]:
        """The columns among these that this person may read."""
        return [name for name in names if name not in self.content_columns or may_read_content(request)]

    def changelist_view(  # type: ignore[override]  # unfold's annotation names what it is without a redirect
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if NEWER_THAN in request.GET:
            return newer_rows(self, request)
        response: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            listed = response.context_data["cl"].result_list
            response.context_data["newer"] = watching(self, request, list(listed[:1]))
        return response

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._open_to(request, super().get_list_display(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return self._open_to(request, super().get_search_fields(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self._open_to(request, super().get_fields(request, obj))

    def prepare_page(self, rows: list[Any]) -> None:
        """Load, for all rows of a page at once, what its columns need."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            show_to(request, [obj])
        if self.shows_content and obj is not None and may_read_content(request):
            log_content_access(request.user, obj)
        context |= self.page_context(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the template of a row's page needs besides the form."""
        return {}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def openable(request: HttpRequest, fact: Fact) -> Fact:
    """The fact; without its link for those who may not open it."""
    return fact if not fact.url or may_open(request, fact.url) else replace(fact, url=None)


class ReadOnlyInline(TabularInline):
    """Related rows that a page shows and nobody edits there."""

    extra = 0
    can_delete = False
    list_select_related: Sequence[str] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related(*self.list_select_related) if self.list_select_related else rows

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class DetailAdmin(ReadOnlyAdmin):
    """A page of facts and sections instead of a form."""

    change_form_template = "admin/orchestration/detail.html"
    detail_related: Sequence[str] = ()
    """Foreign keys that the detail page shows."""
    downloads: Sequence[str] = ()
    """Columns with JSON that is downloaded whole, by those who may read content."""

    def facts(self, request: HttpRequest, obj: Any) -> Iterable[Fact]:
        raise NotImplementedError

    def sections(self, request: HttpRequest, obj: Any) -> Iterable[Section]:
        return ()

    def buttons(self, request: HttpRequest, obj: Any) -> Iterable[Button]:
        """Links to what can be done with this row."""
        return ()

    def detail_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The row as its page reads it."""
        return rows.select_related(*self.detail_related) if self.detail_related else rows

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        try:
            return self.detail_rows(self.get_queryset(request)).get(pk=self.opts.pk.to_python(object_id))
        except (ObjectDoesNotExist, ValidationError, ValueError):
            return None

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return ()

    def head(self, request: HttpRequest, obj: Any) -> Head | None:
        """What stays in sight while one scrolls, with the buttons; None: the buttons are below the facts."""
        return None

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        leading, tabs = in_tabs(self.sections(request, obj))
        head = self.head(request, obj)
        return {
            "facts": [openable(request, fact) for fact in self.facts(request, obj)],
            "buttons": list(self.buttons(request, obj)),
            "sections": leading,
            "tabs": tabs,
            "head": head,
            **({"original": Crumb(obj, head.crumb)} if head else {}),
        }

    # --- downloads --------------------------------------------------------------------------

    def get_urls(self) -> Any:
        name = f"{self.opts.app_label}_{self.opts.model_name}_content"
        view = self.admin_site.admin_view(self.download)
        return [path("<path:object_id>/content/<str:column>/", view, name=name), *super().get_urls()]

    def download(self, request: HttpRequest, object_id: str, column: str) -> HttpResponse:
        """One column of one row, whole, as a JSON file; looking at it is logged like looking at the page."""
        if not (self.has_view_permission(request) and may_read_content(request)):
            raise PermissionDenied
        obj = self.get_object(request, unquote(object_id)) if column in self.downloads else None
        if obj is None:
            raise Http404
        rows = self.get_queryset(request).filter(pk=obj.pk)
        text = rows.annotate(whole=Cast(F(column), TextField())).values_list("whole", flat=True).get()
        log_content_access(request.user, obj, f": downloaded {column}")
        return HttpResponse(
            text or "null",
            content_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{self.opts.model_name}-{obj.pk}-{column}.json"'},
        )
