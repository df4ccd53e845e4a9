"""What all pages of the engine share: read-only lists that never count, and detail pages made of sections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast

from django.contrib.admin import ShowFacets
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from orchestration.admin.sections import Fact, Section
from orchestration.references import Reference

VIEW_CONTENT = "orchestration.view_content"
MAX_SHOWN_CHARACTERS = 200_000
"""Of one JSON value on a page; the whole of it is in the API."""
NOTHING = "–"  # noqa: RUF001 - a dash, as the rest of the admin shows what is empty

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
    "persisted": "success",
    "dead": "danger",
    "answered": "success",
    "unknown": "warning",
}
"""Badge colours by status, persist state and outcome; whatever is not here stays grey."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON for people: indented, and cut when it is too long for a page."""

    text: str
    length: int

    @property
    def is_cut(self) -> bool:
        return len(self.text) < self.length


def as_json(value: object) -> JsonText:
    """A JSON value, indented, text left readable."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return JsonText(text[:MAX_SHOWN_CHARACTERS], len(text))


def may_read_content(request: HttpRequest) -> bool:
    """Whether prompts, answers and payloads may be shown to this person."""
    return request.user.has_perm(VIEW_CONTENT)


def seconds(duration: timedelta | None) -> str:
    """A duration as `820 ms`, `3.2 s` or `2 min 5 s`."""
    if duration is None:
        return NOTHING
    total = duration.total_seconds()
    if total < 1:
        return f"{total * 1000:.0f} ms"
    if total < 60:
        return f"{total:.1f} s"
    return f"{int(total // 60)} min {int(total % 60)} s"


def money(cost: Decimal | None) -> str:
    """A cost without trailing zeros; a dash when it is unknown."""
    return NOTHING if cost is None else f"{cost.normalize():f}"


def moment(at: datetime | None) -> str:
    """A time to the second, on one line."""
    if at is None:
        return NOTHING
    return format_html('<time class="orca-nowrap" datetime="{}">{}</time>', at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}")


def short_id(call_id: str) -> str:
    """The end of a call's id: the start of a time-ordered one is the same for all of a day."""
    return f"…{call_id[-8:]}" if len(call_id) > 12 else call_id


def nowrap(text: object) -> str:
    """A value that stays on one line."""
    return format_html('<span class="orca-nowrap">{}</span>', text)


def link_to(reference: Reference | None) -> str:
    """A reference as a link to its admin page, or as text when it has none."""
    if reference is None:
        return NOTHING
    url = reference.admin_url
    return format_html('<a href="{}" class="orca-link">{}</a>', url, reference.label) if url else reference.label


class LeanChangeList(ChangeList):
    """Lists without the columns that no list shows."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        return rows.defer(*self.model_admin.list_defer)  # type: ignore[attr-defined]  # is a ReadOnlyAdmin

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.model_admin.prepare_page(self.result_list)  # type: ignore[attr-defined]  # is a ReadOnlyAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Rows that only the engine writes."""

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_disable_select_all = True
    list_per_page = 50
    list_filter_submit = True
    actions: Sequence[Any] = ()
    list_defer: Sequence[str] = ()
    """Columns that the list does not read."""

    def get_changelist(  # type: ignore[override]  # unfold's annotation names an instance
        self, request: HttpRequest, **kwargs: Any
    ) -> type[ChangeList]:
        return LeanChangeList

    def prepare_page(self, rows: list[Any]) -> None:
        """Load, for all rows of a page at once, what its columns need."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class DetailAdmin(ReadOnlyAdmin):
    """A page of facts and sections instead of a form."""

    change_form_template = "admin/orchestration/detail.html"
    detail_related: Sequence[str] = ()
    """Foreign keys that the detail page shows."""
    shows_content = False
    """The page shows prompts or answers to those who may see them; looking at it is then logged."""

    def facts(self, request: HttpRequest, obj: Any) -> Iterable[Fact]:
        raise NotImplementedError

    def sections(self, request: HttpRequest, obj: Any) -> Iterable[Section]:
        return ()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        rows = self.get_queryset(request)
        if self.detail_related:
            rows = rows.select_related(*self.detail_related)
        try:
            return rows.get(pk=self.opts.pk.to_python(object_id))
        except (ObjectDoesNotExist, ValidationError, ValueError):
            return None

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return ()

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {"facts": list(self.facts(request, obj)), "sections": list(self.sections(request, obj))}
        if self.shows_content and may_read_content(request):
            self.log_change(request, obj, "Looked at the content.")
        return super().render_change_form(request, context, add, change, form_url, obj)
