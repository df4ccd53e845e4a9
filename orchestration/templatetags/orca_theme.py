"""Buttons and badges for templates, in the theme that the admin has."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from orchestration.monitoring.alert_display import ALERTS, VIEW_CALLS, shown
from orchestration.monitoring.alerts import POLL_SECONDS, latest_alerts
from orchestration.theme.installed import has_console
from orchestration.theme.reach import only_ways
from orchestration.theme.styles import SCRIPTS, style_sheets
from orchestration.theme.styles import badge as plain_badge
from orchestration.theme.words import copyable as shown_to_copy
from orchestration.theme.words import id_cell as shown_id
from orchestration.theme.words import moment as shown_moment
from orchestration.theme.words import seconds

register = template.Library()


@register.simple_block_tag
def button(content: str, *, icon: str = "", **options: Any) -> SafeString:
    """`{% button href=… variant="default" %}Back{% endbutton %}`; without `href` it submits its form."""
    console = has_console()
    if icon and console:
        mark = '<span class="material-symbols-outlined" aria-hidden="true">{}</span> {}'
        content = format_html(mark, icon, content)
    if not console:
        return render_to_string("admin/orchestration/theme/button.html", options | {"children": content})
    submit = {} if "href" in options else {"submit": 1}
    return render_to_string("unfold/components/button.html", options | submit | {"children": content})


@register.simple_tag
def badge(text: object, colour: str = "") -> SafeString:
    """A word on a coloured ground: info, success, warning, danger, primary, or grey."""
    if not has_console():
        return plain_badge(text, colour)
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": colour})


@register.filter(is_safe=True)
def links_that_open(contents: str, request: HttpRequest) -> str:
    """The contents of a field that cannot be edited, with its links for those alone whom they open."""
    return only_ways(request, contents)


@register.simple_tag
def plain_styles() -> SafeString:
    """The links to our style sheets and our scripts, which the console's theme has on every page by its settings."""
    if has_console():
        return SafeString("")
    links = format_html_join("\n", '<link rel="stylesheet" href="{}">', ((static(name),) for name in style_sheets()))
    scripts = format_html_join("\n", '<script src="{}" defer></script>', ((static(name),) for name in SCRIPTS))
    return format_html("{}\n{}", links, scripts)


@register.inclusion_tag("admin/orchestration/alerts.html", takes_context=True)
def alerts(context: template.Context) -> dict[str, Any]:
    """What is broken right now, for those who may view calls: once on a page, and without a query."""
    if not isinstance(context, template.RequestContext):
        return {}
    request: Any = context.request  # of the page, whatever context processors the project has
    if not request.user.has_perm(VIEW_CALLS) or getattr(request, "has_alerts", False):
        return {}
    request.has_alerts = True
    return {"url": reverse(f"admin:{ALERTS}"), "seconds": POLL_SECONDS, **shown(request, latest_alerts(refresh=False))}


@register.inclusion_tag("admin/orchestration/parts/newer.html", takes_context=True)
def newer(context: template.Context) -> dict[str, Any]:
    """What tells of rows that came since the list was loaded (orchestration/admin/newer_rows.py): once on a page."""
    watched = context.get("newer")
    context["newer"] = None
    return {"newer": watched}


@register.filter
def moment(at: datetime | None) -> str:
    """`3 min ago`, with the exact time where one points at it."""
    return shown_moment(at)


@register.filter
def milliseconds(latency: int | None) -> str:
    """`820 ms`, `3.2 s`."""
    return seconds(None if latency is None else timedelta(milliseconds=latency))


@register.filter
def thousands(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


@register.filter
def class_name(identity: str) -> str:
    """The last part of a component's identity, for a line that has no room for all of it."""
    return identity.rpartition(".")[2]


@register.filter
def id_cell(key: object) -> str:
    """The end of an id, beside which the console's script puts a button that copies the whole."""
    return shown_id(key)


@register.simple_tag
def copyable(text: str, shown: str = "") -> str:
    """A text, or a short form of it, with a button that copies the whole."""
    return shown_to_copy(text, shown)


@register.simple_tag
def in_console() -> bool:
    return has_console()
