"""The keys of the console: places, rows, and the help that names them."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tests.browser.accessible import problems
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def test_rows_are_chosen_and_opened_by_keys(console: Any, live_server: Any) -> None:
    calls = [failed(), failed()]
    console.keyboard.press("g")
    console.keyboard.press("c")
    console.wait_for_url(f"**{LIST}")
    for key in ("j", "x", "j", "k", "j"):
        console.keyboard.press(key)
    assert console.locator("input.action-select").first.is_checked()
    assert not console.locator("input.action-select").nth(1).is_checked()
    console.keyboard.press("Enter")
    console.wait_for_url(f"**{calls[0].pk}/change/**")
    console.keyboard.press("g")
    console.keyboard.press("d")
    console.wait_for_url("**/dead-letters/")


def test_what_is_written_is_not_taken_for_keys(console: Any, live_server: Any) -> None:
    failed()
    console.goto(f"{live_server.url}{LIST}")
    console.keyboard.press("/")
    console.keyboard.type("gc?jx")
    assert console.locator("#searchbar").input_value() == "gc?jx"
    assert console.locator("dialog[open]").count() == 0


def test_the_keys_are_named_on_demand(console: Any) -> None:
    console.keyboard.press("?")
    console.get_by_role("dialog", name="Keys").wait_for()
    assert console.get_by_text("Dead letters").last.is_visible()
    assert problems(console) == []
    console.keyboard.press("Escape")
    assert console.locator("dialog[open]").count() == 0


def test_the_first_stop_leads_past_the_menu_to_the_rows(console: Any, live_server: Any) -> None:
    """There were 67 stops before the first row."""
    failed()
    console.goto(f"{live_server.url}{LIST}")
    console.keyboard.press("Tab")
    assert console.evaluate("document.activeElement.textContent") == "Skip to the rows"
    assert problems(console) == []
    console.keyboard.press("Enter")
    console.keyboard.press("Tab")
    assert console.evaluate("document.activeElement.closest('#result_list') !== null")
    console.goto(f"{live_server.url}{reverse('admin:index')}")
    console.keyboard.press("Tab")
    assert console.evaluate("document.activeElement.textContent") == "Skip to the content"
