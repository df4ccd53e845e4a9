"""Rendering a page with the navigation of whoever looks at it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.accounts.models import User
from apps.training.access import directs
from orchestration.conf import clients_settings

LEARNING = (("training:mine", "My simulations"),)
DIRECTING = (
    ("training:board", "Board"),
    ("training:scenarios", "Scenarios"),
    ("training:assignments", "Assignments"),
    ("training:invitations", "Invitations"),
)


def show(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    shared = {"navigation": navigation(request), "answers_are_simulated": answers_are_simulated()}
    return render(request, template, {**shared, **(context or {})}, status=status)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The pages that this person has, and whether it is the one that is shown."""
    user = request.user
    if not isinstance(user, User):
        return []
    pages = (*(DIRECTING if directs(user) else ()), *LEARNING)
    entries = [{"url": reverse(name), "label": label} for name, label in pages]
    return [{**entry, "current": request.path == entry["url"]} for entry in entries]


def answers_are_simulated() -> bool:
    """No model stands behind any client: people should know it."""
    return all(client.provider == "simulator" for client in clients_settings().clients.values())
