"""The navigation of the console, its style sheets, and the label of the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

from orchestration.admin.filters import SAVED
from orchestration.conf import clients_settings
from persistence.admin.base import VIEW_CALLS

GROUPS: dict[str, tuple[str, ...]] = {
    "Calls": (
        "orchestration.ServiceCallRecord",
        "orchestration.WorkerNode",
        "orchestration.Pause",
        "orchestration.RateLimit",
        "orchestration.ProviderCircuit",
        "orchestration.EngineCounter",
    ),
    "Persistence": (
        "persistence.PersistedChunk",
        "persistence.PersistedObject",
        "persistence.BulkRun",
        "persistence.BulkItem",
        "persistence.PersistedPart",
        "persistence.PersistenceDeath",
        "persistence.DrainWake",
        "persistence.RetentionMark",
        "persistence.RetentionHeld",
        "persistence.Erasure",
    ),
    "Audits": (
        "orchestration.AIRequestAudit",
        "orchestration.AIResponseAudit",
        "orchestration.PromptText",
        "orchestration.ModelPrice",
    ),
    "Domain": (),
    "Schedules": ("django_q.Schedule", "django_q.Success", "django_q.Failure", "django_q.OrmQ"),
    "Access": ("auth.User", "auth.Group"),
}
"""The groups of the sidebar; the models of every other app are listed under OTHERS."""
OTHERS = "Domain"

ICONS = {
    "orchestration.ServiceCallRecord": "swap_calls",
    "orchestration.WorkerNode": "dns",
    "orchestration.EngineCounter": "pin",
    "orchestration.Pause": "pause_circle",
    "orchestration.RateLimit": "speed",
    "orchestration.ProviderCircuit": "electrical_services",
    "orchestration.AIRequestAudit": "upload",
    "orchestration.AIResponseAudit": "download",
    "orchestration.ModelPrice": "payments",
    "persistence.PersistedChunk": "inventory_2",
    "orchestration.PromptText": "edit_note",
    "persistence.PersistedObject": "deployed_code",
    "persistence.PersistedPart": "account_tree",
    "persistence.BulkRun": "conveyor_belt",
    "persistence.BulkItem": "checklist",
    "persistence.PersistenceDeath": "heart_broken",
    "persistence.DrainWake": "alarm",
    "persistence.RetentionMark": "event_available",
    "persistence.RetentionHeld": "lock_clock",
    "persistence.Erasure": "delete_forever",
    "django_q.Schedule": "schedule",
    "django_q.Success": "task_alt",
    "django_q.Failure": "error",
    "django_q.OrmQ": "list",
    "auth.Group": "group",
}
OTHER_ICON = "data_object"


def add_to_menu(icons: dict[str, str], **groups: tuple[str, ...]) -> None:
    """Give models (`app.Model`) an icon, and a place at the end of a group; a new group comes before OTHERS.

    For an app's `admin` module: commands and workers need no menu.
    """
    ICONS.update(icons)
    for title, labels in groups.items():
        if title in GROUPS:
            GROUPS[title] = (*GROUPS[title], *labels)
            continue
        place = list(GROUPS).index(OTHERS)
        after = {name: GROUPS.pop(name) for name in list(GROUPS)[place:]}
        GROUPS.update({title: labels} | after)


def environment(request: HttpRequest) -> list[str] | None:
    """A label beside every page's title while a simulator answers."""
    return ["Simulated answers", "warning"] if simulated_clients() else None


def simulated_clients() -> list[str]:
    """The names of the clients that are simulated."""
    return [name for name, client in clients_settings().clients.items() if client.is_simulated]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: every page that this person may see, by group."""
    pages = dict(_pages(request))
    placed = {label for labels in GROUPS.values() for label in labels}
    overview = {"title": "Overview", "icon": "monitoring", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"title": "", "items": [overview], "separator": False, "collapsible": False}]
    for title, labels in GROUPS.items():
        wanted = labels or tuple(label for label in pages if label not in placed)
        items = [*_reports(request, title), *(pages[label] for label in wanted if label in pages)]
        if items:
            groups.append({"title": title, "items": items, "separator": True, "collapsible": False})
    _mark_active(_place(request), [item for group in groups for item in group["items"]])
    return groups


def _place(request: HttpRequest) -> str:
    """The address that decides which item is active: pages about one call belong to the list of calls."""
    match = request.resolver_match
    is_about_call = match is not None and "call_id" in match.kwargs
    return reverse("admin:orchestration_servicecallrecord_changelist") if is_about_call else request.path


def _mark_active(path: str, items: list[dict[str, Any]]) -> None:
    """Mark the item with the longest address that the page's address begins with."""
    index = reverse("admin:index")
    links = [
        item["link"] for item in items if path.startswith(item["link"]) and (item["link"] != index or path == index)
    ]
    here = max(links, key=len, default=None)
    for item in items:
        item["active"] = item["link"] == here


REPORTS = {
    "Persistence": (
        ("Dead letters", "mark_email_unread", "admin:persistence_dead_letters", VIEW_CALLS),
        ("Schemas and handlers", "schema", "admin:persistence_upgrades", VIEW_CALLS),
        ("Erase a person", "person_remove", "admin:persistence_erase", "persistence.erase_subject"),
    )
}
"""Pages that are not lists of rows, at the top of their group: title, icon, address, and the permission to see them."""


def _reports(request: HttpRequest, group: str) -> list[dict[str, Any]]:
    return [
        {"title": title, "icon": icon, "link": reverse(name)}
        for title, icon, name, permission in REPORTS.get(group, ())
        if request.user.has_perm(permission)
    ]


def _pages(request: HttpRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    for app in admin.site.get_app_list(request):
        for model in app["models"]:
            label = f"{app['app_label']}.{model['object_name']}"
            if model["admin_url"]:
                yield (
                    label,
                    {
                        "title": model["name"],
                        "icon": ICONS.get(label, OTHER_ICON),
                        "link": model["admin_url"],
                    },
                )


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The saved searches above the list of calls."""
    address, chosen = reverse("admin:orchestration_servicecallrecord_changelist"), request.GET.get("saved", "")
    if not request.path.startswith(address):
        return []
    choices = {"": "All", **{name: title for name, (title, _) in SAVED.items()}}
    items = [
        {"title": title, "link": f"{address}?saved={name}" if name else address, "active": name == chosen}
        for name, title in choices.items()
    ]
    return [{"models": ["orchestration.servicecallrecord"], "items": items}]


def stylesheet(request: HttpRequest) -> str:
    return static("orchestration/console.css")


def operations_stylesheet(request: HttpRequest) -> str:
    return static("persistence/operations.css")


def script(request: HttpRequest) -> str:
    return static("orchestration/console.js")


def favicon(request: HttpRequest) -> str:
    return static("orchestration/favicon.svg")
