"""The components of the pages, each with one template in `templates/site/`. `/design/` shows them all."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import dateformat
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from apps.accounts.models import User
from apps.accounts.reader_zone import abbreviation, is_readers_zone
from apps.shell import navigation

register = template.Library()

TONES = ("neutral", "accent", "good", "warn", "bad", "info")
HUES = 6
"""So many colours of initials there are in the style sheet."""
MOMENTS = {"date": "j M Y, H:i", "day": "j M Y", "time": "H:i", "zone": "j M Y, H:i"}
"""How the server writes a moment, by kind; on somebody's first page a script writes it again in the reader's zone."""


@register.simple_tag
def icon(name: str) -> SafeString:
    """A Material Symbol, hidden from screen readers: what it means is said in words beside it."""
    return format_html('<i class="icon" data-icon="{}" aria-hidden="true"></i>', name)


@register.inclusion_tag("site/button.html")
def button(
    text: str,
    *,
    variant: str = "",
    icon: str = "",
    href: str = "",
    type: str = "submit",  # noqa: A002 - the name of the attribute
    name: str = "",
    value: str = "",
) -> dict[str, Any]:
    """A button, or with `href` a link that looks like one. `variant`: primary, danger, ghost."""
    return {
        "text": text,
        "variant": variant,
        "icon": icon,
        "href": href,
        "type": type,
        "name": name,
        "value": value,
    }


@register.inclusion_tag("site/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A field of a form with label, help and errors."""
    return {"field": bound}


@register.simple_tag
def badge(text: object, tone: str = "neutral") -> SafeString:
    """A word about a state."""
    if tone not in TONES:
        raise template.TemplateSyntaxError(f"A badge has no tone {tone!r}. There are {', '.join(TONES)}.")
    return format_html('<span class="badge {}">{}</span>', tone, text)


@register.simple_block_tag
def card(content: str, title: str = "", *, icon: str = "", id: str = "") -> SafeString:  # noqa: A002 - the attribute
    """A section on a ground of its own."""
    name = id or f"card-{zlib.crc32(title.encode()):x}"
    return render_to_string("site/card.html", {"content": content, "title": title, "icon": icon, "id": name})


@register.simple_block_tag
def table(content: str, label: str) -> SafeString:
    """A table that scrolls sideways by itself where the screen is narrow."""
    return render_to_string("site/table.html", {"content": content, "label": label})


@register.simple_block_tag
def dialog(content: str, id: str, title: str) -> SafeString:  # noqa: A002 - the name of the attribute
    """A dialog; a button with `command="show-modal" commandfor="<id>"` opens it."""
    return render_to_string("site/dialog.html", {"content": content, "id": id, "title": title})


@register.simple_block_tag
def menu(content: str, id: str, label: str, *, icon: str = "more_horiz") -> SafeString:  # noqa: A002 - the attribute
    """A button that opens a menu of `.item` links and buttons."""
    return render_to_string("site/menu.html", {"content": content, "id": id, "label": label, "icon": icon})


@register.simple_block_tag
def empty_state(content: str, title: str, *, icon: str = "inbox") -> SafeString:
    """What is shown where there is nothing yet: what belongs here, and how it comes here."""
    return render_to_string("site/empty_state.html", {"content": content, "title": title, "icon": icon})


@register.inclusion_tag("site/skeleton.html")
def skeleton(lines: int = 3) -> dict[str, Any]:
    """Grey lines in place of what is still loading."""
    return {"lines": range(lines)}


@register.simple_tag
def avatar(who: Any) -> SafeString:
    """The initials of a person, in a colour that stays theirs."""
    name = (who.get_full_name() or who.email) if isinstance(who, User) else str(who or "?")
    words = name.replace("@", " ").replace(".", " ").split() or ["?"]
    initials = (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()
    return format_html(
        '<span class="avatar hue-{}" aria-hidden="true">{}</span>', zlib.crc32(name.encode()) % HUES, initials
    )


@register.simple_tag
def moment(when: datetime | None, kind: str = "date") -> SafeString | str:
    """A moment; `kind` is date (day and time), day, time, or zone (day and time with the name of the zone)."""
    if when is None:
        return ""
    here, zone = localtime(when), abbreviation(when)
    text, whole = dateformat.format(here, MOMENTS[kind]), f"{dateformat.format(here, MOMENTS['zone'])} {zone}"
    if is_readers_zone():
        shown = whole if kind == "zone" else text
        return format_html('<time datetime="{}" title="{}">{}</time>', when.isoformat(), whole, shown)
    shown = text if kind == "day" else f"{text} {zone}"
    return format_html('<time datetime="{}" data-moment="{}">{}</time>', when.isoformat(), kind, shown)


@register.inclusion_tag("site/sidebar.html", takes_context=True)
def sidebar(context: template.Context) -> dict[str, Any]:
    """The navigation of the person who asks; nothing before the sign-in, and on a page without a request."""
    request = context.get("request")
    if not isinstance(request, HttpRequest):
        return {}
    place = navigation.place_of(request)
    return {
        "places": navigation.places(request),
        "sections": navigation.sections(request),
        "place": place.label if place else "",
        "user": navigation.user_of(request),
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag(takes_context=True)
def places(context: template.Context) -> list[navigation.Link]:
    """The places that the person who asks may open."""
    request = context.get("request")
    return navigation.places(request) if isinstance(request, HttpRequest) else []
