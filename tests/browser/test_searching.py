"""Searching calls in a browser: the field offers completions of a term, and what was found is kept under a name."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from orchestration.admin.search_suggestions import forget_seen
from orchestration.models.saved_searches import SavedSearch
from tests.browser.accessible import look_at
from tests.orchestration.factories import failed, queued

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def test_a_value_is_found_by_keys_and_the_search_is_kept(console: Any, live_server: Any) -> None:
    forget_seen()
    call = queued(result={"urgency": 3, "ward": "north wing"})
    queued(result={"urgency": 1, "ward": "south"}), failed()
    console.goto(f"{live_server.url}{LIST}")
    console.keyboard.press("/")
    field = console.locator("#searchbar")
    console.get_by_role("option", name="user:").wait_for()
    look_at(console, "suggestions")
    field.press_sequentially("res")
    field.press("ArrowDown")
    console.get_by_role("option", name="result.", selected=True).wait_for()
    field.press("Enter")
    console.get_by_role("option", name="result.ward=").wait_for()
    assert field.input_value() == "result."
    field.press_sequentially("war")
    field.press("ArrowDown")
    console.get_by_role("option", name="result.ward=", selected=True).wait_for()
    field.press("Enter")
    console.get_by_role("option", name="north wing").click()
    assert field.input_value() == 'result.ward="north wing"'
    assert not console.get_by_role("listbox").is_visible()
    field.press("Enter")
    console.wait_for_url("**q=result.ward**")
    assert console.locator("#result_list tbody tr").count() == 1
    assert console.get_by_text(call.pk[-8:]).first.is_visible()
    console.get_by_text("Save this search").click()
    console.get_by_label("Name", exact=True).fill("North wing")
    console.get_by_label("for everybody").check()
    look_at(console, "saving")
    console.get_by_role("button", name="Save", exact=True).click()
    console.get_by_text("Saved as “North wing”, for everybody.").wait_for()
    console.goto(f"{live_server.url}{LIST}")
    console.get_by_role("link", name="North wing").click()
    console.wait_for_url("**q=result.ward**")
    look_at(console, "saved")
    console.get_by_role("button", name="Remove the saved search North wing").click()
    console.get_by_text("was removed").wait_for()
    assert not SavedSearch.objects.exists()


def test_escape_closes_the_suggestions_and_keeps_the_text(console: Any, live_server: Any) -> None:
    forget_seen()
    failed()
    console.goto(f"{live_server.url}{LIST}")
    field = console.locator("#searchbar")
    field.fill("time")
    console.get_by_role("option", name="timeout").wait_for()
    field.press("Escape")
    assert not console.get_by_role("listbox").is_visible()
    assert field.input_value() == "time"
    assert field.get_attribute("aria-expanded") == "false"
