"""The rows of a list, at the cost of Django's own: the theme asks its templates for every badge and tick, builds all
headings again for every row, and repeats thirty classes in each cell. Its look is in orchestration/console.css."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from django import template
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import BooleanField, ForeignObjectRel, ManyToOneRel, Model
from django.urls import NoReverseMatch
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import get_language
from unfold.templatetags.unfold_list import result_headers
from unfold.utils import (
    display_for_dropdown,
    display_for_field,
    display_for_header,
    display_for_label,
    display_for_value,
)

from orchestration.theme.words import moment, short_id

register = template.Library()
Show = Callable[[Model], object]

TICK = (
    '<td class="orca-cell orca-cell-tick"><input type="checkbox" name="{}" value="{}"'
    ' class="action-select orca-tick" aria-label="Select {} {}"></td>'
)
"""Named by its row: a list of fifty has fifty of them."""

OF_THE_THEME = ("ordering_field", "list_sections", "actions_row")
"""Attributes of a page that add to the rows of its list."""


@dataclass(frozen=True, slots=True)
class Column:
    """What the cells of a column have in common, found once for all rows."""

    opening: SafeString
    closing: SafeString
    show: Show
    is_link: bool


@register.simple_tag
def has_plain_rows(cl: ChangeList) -> bool:
    """Whether the list has nothing but cells: forms, drag handles, sections and popups are left to the theme."""
    return not (cl.formset or cl.is_popup or any(getattr(cl.model_admin, name, ()) for name in OF_THE_THEME))


@register.inclusion_tag("admin/result_list.html", takes_context=True)
def console_result_list(context: template.Context, cl: ChangeList) -> dict[str, Any]:
    headers = list(result_headers(cl))
    return {
        "cl": cl,
        "result_headers": headers,
        "num_sorted_fields": sum(bool(header["sortable"] and header["sorted"]) for header in headers),
        "rows": format_html_join("", "{}", ((row,) for row in _rows(cl, headers))),
        "looked_for": getattr(context["request"], "looked_for", ""),
        "has_add_permission": cl.model_admin.has_add_permission(context["request"]),
    }


def _rows(cl: ChangeList, headers: list[dict[str, Any]]) -> Iterator[SafeString]:
    columns, query = list(_columns(cl, headers)), None
    for row in cl.result_list:
        url = _url(cl, row)
        if query is None and url:  # the list's own filters, to come back to: the same for every row
            ours: dict[str, Any] = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
            query = add_preserved_filters(ours, url).removeprefix(url)
        link = format_html('<a href="{}{}" class="orca-row-link">', url, query) if url else None
        cells = format_html_join("", "{}{}{}", (_cell(column, row, link) for column in columns))
        yield format_html('<tbody class="orca-row"><tr class="data-row">{}</tr></tbody>', cells)


def _cell(column: Column, row: Model, link: SafeString | None) -> tuple[object, object, object]:
    content = column.show(row)
    if column.is_link and link is not None:
        content = format_html("{}{}</a>", link, content)
    return column.opening, content, column.closing


def _url(cl: ChangeList, row: Model) -> str:
    try:
        return str(cl.url_for_result(row))
    except NoReverseMatch:
        return ""


def _columns(cl: ChangeList, headers: list[dict[str, Any]]) -> Iterator[Column]:
    links, has_head = set(cl.list_display_links or ()), False
    for number, (name, header) in enumerate(zip(cl.list_display, headers, strict=True)):
        if name == "action_checkbox":
            yield Column(SafeString(""), SafeString(""), _tick, is_link=False)
            continue
        is_link = name in links
        tag = "th" if is_link and not has_head else "td"
        has_head = has_head or is_link
        called = name if isinstance(name, str) else getattr(name, "__name__", str(number))
        opening = format_html('<{} class="orca-cell field-{}" data-label="{}">', tag, called, capfirst(header["text"]))
        yield Column(opening, format_html("</{}>", tag), _shown(cl, name), is_link)


def _tick(row: Model) -> SafeString:
    return format_html(TICK, ACTION_CHECKBOX_NAME, row.pk, row._meta.verbose_name, short_id(str(row.pk)))


def _shown(cl: ChangeList, name: Any) -> Show:
    """How a column shows a row. A method of the page is looked up here, anything else by Django row by row."""
    page = cl.model_admin
    _, attr = label_for_field(name, cl.model, model_admin=page, return_attr=True)
    empty = getattr(attr, "empty_value_display", page.get_empty_value_display())
    method = getattr(page, name, None) if isinstance(name, str) and name != "__str__" else None
    if attr is not None and method is not None:
        display = _display(name, method, empty)
        return lambda row: display(row, method(row))
    return partial(_looked_up, cl, name, empty)


def _looked_up(cl: ChangeList, name: Any, empty: str, row: Model) -> object:
    try:
        field, attr, value = lookup_field(name, row, cl.model_admin)
    except ObjectDoesNotExist:
        return empty
    if field is None or field.auto_created:
        return _display(name, attr, empty)(row, value)
    if isinstance(field.remote_field, ManyToOneRel | ForeignObjectRel):
        return empty if value is None else value
    if isinstance(field, BooleanField) and not field.flatchoices:
        return _boolean(value, get_language())
    if isinstance(value, datetime):
        return moment(value)
    return display_for_field(value, field, empty)


def _display(name: Any, attr: Any, empty: str) -> Callable[[Model, Any], object]:
    """How the values are shown that a function declared with @display returns."""
    match next((form for form in ("label", "dropdown", "header", "boolean") if getattr(attr, form, False)), ""):
        case "label":
            return lambda row, value: _badge(value, empty, attr.label)
        case "dropdown":
            return lambda row, value: display_for_dropdown(row, name, value, empty)
        case "header":
            return lambda row, value: display_for_header(value, empty)
        case "boolean":
            return lambda row, value: _boolean(value, get_language())
    return lambda row, value: moment(value) if isinstance(value, datetime) else display_for_value(value, empty)


def _badge(value: Any, empty: str, label: Any) -> object:
    colours = label if isinstance(label, dict) else {}
    if not value:
        return empty
    if not isinstance(value, str):  # several, or a name and a text
        return display_for_label(value, empty, label)
    return format_html('<span class="orca-badge orca-badge-{}">{}</span>', colours.get(value) or "plain", value)


@lru_cache(maxsize=32)
def _boolean(value: bool | None, language: str | None) -> str:
    """The theme's icon; its title is translated."""
    shown: str = display_for_value(value, "", boolean=True)
    return shown
