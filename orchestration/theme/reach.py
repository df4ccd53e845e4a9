"""Who may open which page of the admin: what leads to a page is a link for those alone, and others are told who can
help."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch, get_urlconf, resolve
from django.utils.safestring import SafeData

from orchestration.values.generic_refs import Reference

LINK = re.compile(r'<a\b[^>]*?\shref="(?P<url>[^"]*)"[^>]*>(?P<text>.*?)</a>', re.DOTALL)

_needed: dict[str, tuple[str, ...]] = {}


def needs(name: str, *permissions: str) -> None:
    """Say which permissions (`app.codename`) a page of the admin takes that is not about the rows of a model."""
    _needed[name] = permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where something is done, for one person: `url` is empty when they may not open it, and then `ask` says who can
    help."""

    url: str = ""
    ask: str = ""
    title: str = ""
    """What the page is called, where a link says that."""


def way_to(request: HttpRequest, url: str, title: str = "") -> Way:
    """The way to a page by its address."""
    ask = _who_may(request, url)
    return Way(ask=ask, title=title) if ask else Way(url=url, title=title)


def may_open(request: HttpRequest, url: str) -> bool:
    """Whether this person may open a page by its address; what is not a page of the admin is not asked."""
    return not _who_may(request, url)


def only_ways(request: HttpRequest, html: str) -> str:
    """Some HTML of ours, with the text alone of each link that this person may not open. Text that is not marked as
    safe has no links, and stays as it is."""

    def shown(link: re.Match[str]) -> str:
        return link[0] if may_open(request, unescape(link["url"])) else link["text"]

    return LINK.sub(shown, html) if isinstance(html, SafeData) else html


def may_view(request: HttpRequest | None, model: type[Model] | None) -> bool:
    """Whether this person may open the pages of a model's rows; False for a model that has none. None as
    request: whoever it is."""
    page = admin.site._registry.get(model) if model is not None else None
    return page is not None and (request is None or page.has_view_or_change_permission(request))


def url_of(request: HttpRequest | None, reference: Reference) -> str | None:
    """The page of an object, for those who may open it."""
    return reference.admin_url if may_view(request, reference.model) else None


def _who_may(request: HttpRequest, url: str) -> str:
    """Whom to ask when this person may not open the page; empty when they may."""
    match = _match(urlsplit(url).path, get_urlconf() or settings.ROOT_URLCONF)
    if match is None or match.namespace != admin.site.name:
        return ""
    name = match.url_name or ""
    if name in _needed:
        lacking = [each for each in _needed[name] if not request.user.has_perm(each)]
        return f"Ask somebody with the permission {' and '.join(lacking)}." if lacking else ""
    label, _, kind = name.rpartition("_")
    page = _pages().get(label)
    if page is None:
        return ""
    if kind == "add":
        return "" if page.has_add_permission(request) else _ask("add", page)
    return "" if page.has_view_or_change_permission(request) else _ask("see", page)


@lru_cache(maxsize=256)
def _match(path: str, urlconf: str) -> ResolverMatch | None:
    """What answers there: a page has many links to a few lists."""
    try:
        return resolve(path, urlconf)
    except Resolver404:
        return None


def _pages() -> dict[str, Any]:
    """By what the names of their addresses begin with."""
    return {f"{model._meta.app_label}_{model._meta.model_name}": page for model, page in admin.site._registry.items()}


def _ask(what: str, page: Any) -> str:
    return f"Ask somebody who may {what} {page.opts.verbose_name_plural}."


# --- columns of lists and fields of forms ---------------------------------------------------


def show_to(request: HttpRequest, rows: Iterable[Model]) -> None:
    """Let rows know who looks at them: the functions that show their columns and fields are not told."""
    for row in rows:
        vars(row)["_seen_in"] = request


def seen_in(row: Model) -> HttpRequest | None:
    """The request of whoever looks at a row; None on a page that did not call `show_to`."""
    request: HttpRequest | None = vars(row).get("_seen_in")
    return request
