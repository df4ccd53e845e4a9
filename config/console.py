"""The admin as a console: its name, its colours, its navigation, and the banner of the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static

from orchestration.conf import clients_settings

GROUPS: dict[str, tuple[str, ...]] = {
    "Calls": ("orchestration.ServiceCallRecord", "orchestration.WorkerNode", "orchestration.EngineCounter"),
    "Flow": ("orchestration.Pause", "orchestration.RateLimit", "orchestration.ProviderCircuit"),
    "Persistence": ("persistence.PersistedChunk", "persistence.PersistedObject"),
    "Audits": ("orchestration.AIRequestAudit", "orchestration.AIResponseAudit", "orchestration.ModelPrice"),
    "Domain": (),
    "Schedules": ("django_q.Schedule", "django_q.Success", "django_q.Failure", "django_q.OrmQ"),
    "Access": ("accounts.User", "auth.Group", "accounts.ApiKey"),
}
"""What stands where; the models of every other app stand under Domain."""

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
    "persistence.PersistedObject": "deployed_code",
    "django_q.Schedule": "schedule",
    "django_q.Success": "task_alt",
    "django_q.Failure": "error",
    "django_q.OrmQ": "list",
    "accounts.User": "person",
    "accounts.ApiKey": "key",
    "auth.Group": "group",
    "simulation.Simulation": "stethoscope",
    "chatlab.Message": "chat",
    "chatlab.ChatSession": "forum",
}
OTHER_ICON = "data_object"


def environment(request: HttpRequest) -> list[str] | None:
    """A label beside every page's title while a simulator answers."""
    return ["Simulated answers", "warning"] if simulated_clients() else None


def simulated_clients() -> list[str]:
    """Names of the model clients that no model stands behind."""
    return [name for name, client in clients_settings().clients.items() if client.provider == "simulator"]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: every page that this person may see, by group."""
    pages = dict(_pages(request))
    placed = {label for labels in GROUPS.values() for label in labels}
    groups = []
    for title, labels in GROUPS.items():
        wanted = labels or tuple(label for label in pages if label not in placed)
        items = [pages[label] for label in wanted if label in pages]
        if items:
            groups.append({"title": title, "items": items, "separator": True, "collapsible": False})
    return groups


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


def stylesheet(request: HttpRequest) -> str:
    return static("orchestration/console.css")


def favicon(request: HttpRequest) -> str:
    return static("orchestration/favicon.svg")
