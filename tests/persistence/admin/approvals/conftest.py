"""Held results, and people who look at them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from persistence.models.approval import Hold
from tests.persistence.admin.conftest import root, staff
from tests.persistence.approval.conftest import declare, held

__all__ = ["declare", "held", "root", "staff"]

LIST = reverse("admin:persistence_hold_changelist")
DECIDES = ("view_hold", "decide_hold", "view_content")


@pytest.fixture
def anna(staff: Callable[..., Client]) -> Client:
    """May decide."""
    return staff(*DECIDES)


def item(hold: Hold) -> str:
    return reverse("admin:persistence_hold_change", args=(hold.pk,))


def edit(hold: Hold) -> str:
    return reverse("admin:persistence_hold_edit", args=(hold.pk,))


def html(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def told(response: Any) -> str:
    """What was said at the top of the page."""
    return " ".join(str(line) for line in response.context["told"])


def decide(client: Client, hold: Hold, do: str, **sent: Any) -> Any:
    return client.post(item(hold), {"do": do, "shown": hold.digest, **sent}, follow=True)


def listed(page: Any) -> list[int]:
    return [int(key) for key in re.findall(r'/hold/(\d+)/change/[^"]*" class="orca-row-link"', page.content.decode())]
