"""The navigation of the console, its style sheets, and the label of the simulator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse

from orchestration.admin.filters import SAVED
from orchestration.conf import clients_settings
from persistence.admin.base import page, render
from persistence.admin.menu import INDEXES, MENU, PLATFORM, Entry, letters, listed_on, placed, with_icon


def environment(request: HttpRequest) -> list[str] | None:
    """A label beside every page's title while a simulator answers."""
    return ["Simulated answers", "warning"] if simulated_clients() else None


def simulated_clients() -> list[str]:
    """The names of the clients that are simulated."""
    return [name for name, client in clients_settings().clients.items() if client.is_simulated]


# --- the menu -------------------------------------------------------------------------------

Lists = dict[str, dict[str, Any]]
"""The lists that a person may see, as the admin describes them: by `app.Model`."""
ENTRY = "console_entry"
"""The attribute of a request that holds the entry its page belongs to, for the path at the top of the page."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: every page that this person may see has its entry, or is reached from the page of one."""
    lists = _lists(request)
    groups: list[dict[str, Any]] = []
    keys = letters()
    for title, entries in MENU:
        items = [item | {"key": keys[entry]} for entry in entries for item in _items(request, entry, lists)]
        if items:
            groups.append({"title": title, "items": items, "separator": bool(groups), "collapsible": False})
    items = [item for group in groups for item in group["items"]]
    _mark_active(_place(request), items)
    entry = next((item for item in items if item["active"]), None)
    vars(request)[ENTRY] = entry
    return groups


def _lists(request: HttpRequest) -> Lists:
    return {
        f"{app['app_label']}.{model['object_name']}": {**model, "app": app["name"]}
        for app in admin.site.get_app_list(request)
        for model in app["models"]
        if model["admin_url"]
    }


def _items(request: HttpRequest, entry: Entry, lists: Lists) -> Iterator[dict[str, Any]]:
    """The entry as the theme's template shows it, when this person may open it; `places`: the addresses below which a
    page belongs to it."""
    if entry.page == "admin:persistence_menu":
        inside = list(_inside(request, entry.arguments[0], lists))
        if not inside:
            return
        link, below = reverse(entry.page, args=entry.arguments), [item["link"] for item in inside]
    elif entry.model:
        if entry.model not in lists:
            return
        link, below = lists[entry.model]["admin_url"], []
    elif not entry.permission or request.user.has_perm(entry.permission):
        link, below = reverse(entry.page, args=entry.arguments), []
    else:
        return
    title = entry.title or lists[entry.model]["name"]
    children = [lists[label]["admin_url"] for label in entry.children if label in lists]
    badge = entry.badge() if entry.badge else None
    yield {"title": title, "icon": entry.icon, "link": link, "badge": badge, "places": [link, *below, *children]}


def _inside(request: HttpRequest, slug: str, lists: Lists) -> Iterator[dict[str, Any]]:
    """What an index lists for this person; what is nowhere else is on PLATFORM."""
    entries: Iterable[Entry] = listed_on(slug)
    if slug == PLATFORM:
        entries = [*entries, *(with_icon(label) for label in lists if label not in placed())]
    for entry in entries:
        for item in _items(request, entry, lists):
            yield {**item, "app": lists[entry.model]["app"] if entry.model else ""}


def _place(request: HttpRequest) -> str:
    """The address that decides which item is active: pages about calls belong to the list of calls."""
    match = request.resolver_match
    is_about_call = match is not None and ("call_id" in match.kwargs or match.url_name == "persistence_failed_calls")
    return reverse("admin:orchestration_servicecallrecord_changelist") if is_about_call else request.path


def _mark_active(path: str, items: list[dict[str, Any]]) -> None:
    """Mark the item with the longest address that the page's address begins with; of two with the same, the first."""
    index = reverse("admin:index")
    found = [
        (len(place), -number)
        for number, item in enumerate(items)
        for place in item["places"]
        if path.startswith(place) and (place != index or path == index)
    ]
    here = -max(found)[1] if found else None
    for number, item in enumerate(items):
        item["active"] = number == here


@page("menu/<slug:slug>/", "menu")
def menu(request: HttpRequest, slug: str) -> HttpResponse:
    """One of INDEXES; 404 when there is nothing on it for this person."""
    items = list(_inside(request, slug, _lists(request))) if slug in INDEXES else []
    if not items:
        raise Http404
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault(item["app"], []).append(item)
    return render(request, "menu.html", INDEXES[slug].title, groups=list(groups.items()), slug=slug)


# --- what the theme asks for ----------------------------------------------------------------


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Above a list: the saved searches of the calls, or the tables that serve the one that the menu leads to."""
    address = reverse("admin:orchestration_servicecallrecord_changelist")
    if request.path.startswith(address):
        return _saved_searches(request, address)
    if request.path == reverse("admin:persistence_hold_changelist"):
        return _queues(request)
    lists = _lists(request)
    for entry in (entry for _, entries in MENU for entry in entries if entry.children):
        items = [item for each in (entry, *map(with_icon, entry.children)) for item in _items(request, each, lists)]
        if len(items) > 1 and any(request.path == item["link"] for item in items):
            shown = [{"title": i["title"], "link": i["link"], "active": i["link"] == request.path} for i in items]
            return [{"models": [label.lower() for label in (entry.model, *entry.children) if label], "items": shown}]
    return []


QUEUES = {
    "": "All that wait",
    "assignee=me": "For me",
    "assignee=groups": "For my groups",
    "assignee=nobody": "For anybody",
    "state=approved": "Approved",
    "state=edited": "Edited",
    "state=rejected": "Rejected",
}
"""What of the held results is one click away: by the query of their list."""


def _queues(request: HttpRequest) -> list[dict[str, Any]]:
    asked = {(name, value) for name in request.GET if (value := request.GET[name]) and name != "p"}
    items = [
        {"title": title, "link": f"{request.path}?{query}", "active": set(parse_qsl(query)) == asked}
        for query, title in QUEUES.items()
    ]
    return [{"models": ["persistence.hold"], "items": items}]


def served(request: HttpRequest, title: str) -> list[dict[str, Any]]:
    """The tables that serve the entry of the menu with this title, as far as this person may see them."""
    lists = _lists(request)
    labels = [label for _, entries in MENU for entry in entries if entry.title == title for label in entry.children]
    return [item for label in labels for item in _items(request, with_icon(label), lists)]


def _saved_searches(request: HttpRequest, address: str) -> list[dict[str, Any]]:
    chosen = request.GET.get("saved", "")
    choices = {"": "All", **{name: title for name, (title, _) in SAVED.items()}}
    items = [
        {"title": title, "link": f"{address}?saved={name}" if name else address, "active": name == chosen}
        for name, title in choices.items()
    ]
    items.append({"title": "Failed by cause", "link": reverse("admin:persistence_failed_calls"), "active": False})
    items += [{"title": item["title"], "link": item["link"], "active": False} for item in served(request, "Calls")]
    return [{"models": ["orchestration.servicecallrecord"], "items": items}]


def stylesheet(request: HttpRequest) -> str:
    return static("orchestration/console.css")


def operations_stylesheet(request: HttpRequest) -> str:
    return static("persistence/operations.css")


def focus_script(request: HttpRequest) -> str:
    return static("orchestration/focus.js")


def script(request: HttpRequest) -> str:
    return static("orchestration/console.js")


def lists_script(request: HttpRequest) -> str:
    return static("orchestration/lists.js")


def favicon(request: HttpRequest) -> str:
    return static("orchestration/favicon.svg")
