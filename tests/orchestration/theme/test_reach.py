"""A way to a page is for those who may open it; others are told who can help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import reverse

from apps.accounts.models import User
from orchestration.models import Pause, PromptText, ServiceCallRecord
from orchestration.theme import reach
from orchestration.theme.reach import Way, may_open, may_view, needs, seen_in, show_to, url_of, way_to
from orchestration.values.generic_refs import reference_to
from tests.orchestration.factories import queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
PAUSES = reverse("admin:orchestration_pause_changelist")
Asks = Callable[..., Any]


@pytest.fixture
def asks(staff: Callable[..., Any], rf: RequestFactory) -> Asks:
    """A request of somebody with these permissions."""

    def request(*codenames: str) -> Any:
        staff(*codenames)
        made = rf.get("/")
        made.user = User.objects.latest("pk")
        return made

    return request


def test_a_list_is_open_to_those_who_may_see_its_rows(asks: Asks) -> None:
    assert way_to(asks("view_pause"), f"{PAUSES}?q=x", "Pauses") == Way(url=f"{PAUSES}?q=x", title="Pauses")
    assert way_to(asks("view_prompttext"), PAUSES) == Way(ask="Ask somebody who may see pauses.")
    assert may_open(asks("view_pause"), PAUSES)
    assert not may_open(asks("view_pause"), reverse("admin:orchestration_pause_add"))
    assert may_open(asks("operate_pause"), reverse("admin:orchestration_pause_add"))
    assert way_to(asks(), reverse("admin:orchestration_pause_add")).ask == "Ask somebody who may add pauses."


def test_a_page_of_its_own_says_what_it_takes(asks: Asks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_needed", {})
    held = reverse("admin:persistence_held")
    assert may_open(asks(), held), "nobody said what it takes"
    needs("persistence_held", "orchestration.view_servicecallrecord")
    assert may_open(asks("view_servicecallrecord"), held)
    asked = way_to(asks("view_pause"), held)
    assert asked == Way(ask="Ask somebody with the permission orchestration.view_servicecallrecord.")


@pytest.mark.parametrize("url", ["https://example.com/x", "/nowhere", "/training/simulations", "/admin/"])
def test_what_is_no_page_about_rows_is_not_asked(asks: Asks, url: str) -> None:
    assert may_open(asks(), url)


def test_rows_know_who_looks_at_them(asks: Asks) -> None:
    call = queued()
    assert seen_in(call) is None
    assert may_view(seen_in(call), ServiceCallRecord), "whoever it is"
    show_to(asks("view_pause"), [call])
    assert may_view(seen_in(call), Pause)
    assert not may_view(seen_in(call), ServiceCallRecord)
    assert not may_view(seen_in(call), None)
    assert url_of(seen_in(call), reference_to(call)) is None
    assert url_of(asks("view_servicecallrecord"), reference_to(call)) == reference_to(call).admin_url
    assert not may_view(asks(), PromptText)
