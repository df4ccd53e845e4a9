"""The path at the top of a page in the words of the menu, where the theme has those of apps and models."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.functional import Promise
from django.utils.text import capfirst

register = template.Library()


@register.simple_tag(takes_context=True)
def menu_path(context: template.Context, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The theme's parts, `link` and `title`, below the entry of the menu that the page belongs to. What only repeats
    the entry is left out; the names of rows are written as they are."""
    entry = vars(context["request"]).get("console_entry")  # persistence/admin/navigation.py
    if entry is not None:
        rest = parts[1:] if parts and parts[0].get("link") else parts
        link, title = entry["link"], str(entry["title"])
        parts = [
            {"link": link, "title": title},
            *(each for each in rest if str(each.get("link", "")) != link and str(each["title"]) != title),
        ]
    return [each | {"title": _written(each["title"])} for each in parts]


def _written(title: Any) -> str:
    return capfirst(str(title)) if isinstance(title, str | Promise) else str(title)
