"""The console in a real browser: sign in, find a call, understand it, retry it; on a desk, in the dark, on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from apps.accounts.models import User
from orchestration.models import Pause, ServiceCallRecord
from tests.browser.accessible import look_at
from tests.orchestration.admin.rows import HOSTILE, succeeded
from tests.orchestration.factories import SERVICE, failed, queued

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def call_page(call: ServiceCallRecord) -> str:
    return reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))


def test_a_failed_call_is_found_understood_and_retried(console: Any, live_server: Any) -> None:
    call = failed(error_code="rate_limited")
    failed(error_code="timeout")
    console.get_by_role("link", name="Calls", exact=True).first.click()
    console.locator("#searchbar").fill("rate_limited")
    console.keyboard.press("Enter")
    console.wait_for_url("**q=rate_limited**")
    console.get_by_text("failed", exact=True).first.wait_for()
    assert console.get_by_text("failed", exact=True).count() == 1
    console.get_by_role("link", name=call.pk[-8:]).click()
    console.get_by_role("heading", name="Timeline").wait_for()
    console.get_by_role("link", name="Retry", exact=False).first.click()
    console.get_by_text("will be queued again").wait_for()
    console.get_by_label("Reason").fill("the provider is back")
    console.get_by_role("button", name="Retry 1 call").click()
    console.get_by_text("1 call queued again.").wait_for()
    call.refresh_from_db()
    assert call.status == "queued"
    assert LogEntry.objects.filter(object_id=call.pk, change_message="Retry. the provider is back").exists()


def test_selected_calls_are_retried_together(console: Any, live_server: Any) -> None:
    calls = [failed(), failed()]
    succeeded()
    console.goto(f"{live_server.url}{LIST}")
    console.locator("#action-toggle").check()
    console.locator("select[name=action]").select_option("retry_selected")
    console.get_by_role("button", name="Run").click()
    console.get_by_text("only failed and cancelled calls are retried").wait_for()
    console.get_by_role("button", name="Retry 2 calls").click()
    console.get_by_text("2 calls queued again.").wait_for()
    assert {call.status for call in ServiceCallRecord.objects.filter(pk__in=[c.pk for c in calls])} == {"queued"}


def test_a_call_leads_to_the_object_it_made(console: Any, live_server: Any, root: User) -> None:
    console.goto(f"{live_server.url}{call_page(succeeded(root))}")
    console.get_by_role("tab", name="Rows (1)").click()
    section = console.locator("section", has=console.get_by_role("heading", name="Domain objects"))
    section.get_by_role("link", name=f"user {root.pk}").click()
    console.wait_for_url(f"{live_server.url}{reverse('admin:accounts_user_change', args=(root.pk,))}")


def test_markup_in_a_prompt_is_shown_and_never_run(console: Any, live_server: Any) -> None:
    console.on("dialog", lambda dialog: pytest.fail("a script in a prompt ran"))
    call = succeeded(prompt=HOSTILE, result={"text": HOSTILE})
    console.goto(f"{live_server.url}{call_page(call)}#attempt-2")
    console.get_by_text("<script>alert('x')</script>").first.wait_for()


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_wider_than_the_screen(console: Any, live_server: Any, root: User, width: int) -> None:
    call = succeeded(root, prompt="word" * 500)
    console.set_viewport_size({"width": width, "height": 844})
    for url in (LIST, call_page(call), reverse("admin:persistence_persistedchunk_changelist")):
        console.goto(f"{live_server.url}{url}")
        assert console.evaluate("document.documentElement.scrollWidth") <= width, url


def test_a_row_on_a_phone_begins_with_what_it_is(console: Any, live_server: Any) -> None:
    """With the tick on the same line, named by the row, and no words of the theme before it."""
    call = failed(error_code="rate_limited")
    console.set_viewport_size({"width": 390, "height": 844})
    console.goto(f"{live_server.url}{LIST}")
    tick = console.get_by_role("checkbox", name=f"Select service call …{call.pk[-8:]}", exact=True)
    named = console.locator(".orca-row").get_by_role("link", name=call.pk[-8:])
    left, right = tick.bounding_box(), named.bounding_box()
    assert left["x"] + left["width"] < right["x"]
    assert abs(left["y"] + left["height"] / 2 - right["y"] - right["height"] / 2) < 6
    before = "(it) => getComputedStyle(it.closest('td'), '::before').display"
    assert tick.evaluate(before) == "none"
    row = console.locator(".orca-row").bounding_box()
    assert left["y"] - row["y"] < 45
    copy = console.locator(".orca-row .orca-copy").bounding_box()
    assert right["x"] + right["width"] <= copy["x"], "it covers nothing"
    assert right["x"] < 80, "nothing but the tick comes before it"
    tick.check()
    console.get_by_text("1 of 1 selected").wait_for()
    tick.uncheck()
    look_at(console, "list-on-a-phone")


def test_it_says_that_answers_are_simulated(console: Any) -> None:
    note = console.get_by_text("simulated", exact=False).first
    note.wait_for()
    assert note.is_visible()


def test_the_api_page_works_without_the_internet(page: Any, live_server: Any) -> None:
    foreign: list[str] = []
    page.on("request", lambda sent: foreign.append(sent.url) if not sent.url.startswith(live_server.url) else None)
    page.goto(f"{live_server.url}/api/v1/docs")
    page.get_by_text("Submit a call", exact=False).first.wait_for()
    assert not [url for url in foreign if not url.startswith("data:")]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_the_head_of_a_call_stays_in_sight(console: Any, live_server: Any, width: int, height: int) -> None:
    """With its states and what can be done, at the end of a page that is longer than the screen; it hides neither the
    tabs that one reaches by Tab, nor what an address names."""
    call = succeeded(prompt="\n".join(f"Line {number}" for number in range(400)))
    console.set_viewport_size({"width": width, "height": height})
    console.goto(f"{live_server.url}{call_page(call)}#attempt-2")
    head = console.locator(".orca-head")
    console.mouse.move(width / 2, height / 2)
    console.mouse.wheel(0, 100_000)
    console.wait_for_function("document.querySelector('.orca-head').getBoundingClientRect().top <= 1")
    box = head.bounding_box()
    assert -1 <= box["y"] <= 1
    assert box["height"] < height / 3, "it leaves the page its room"
    for part in (head.get_by_text("succeeded"), head.get_by_role("link", name="Rerun"), head.locator("[data-copy]")):
        assert on_top(console, part), part
    console.goto("about:blank")  # a page that is loaded again stays where one was
    console.goto(f"{live_server.url}{call_page(call)}#attempt-2")
    attempt = console.locator("#attempt-2 h3")
    console.wait_for_function("document.querySelector('#attempt-2 h3').getBoundingClientRect().top < innerHeight")
    assert on_top(console, attempt)
    timeline = console.get_by_role("tab", name="Timeline")
    console.mouse.wheel(0, 100_000)
    timeline.focus()
    assert on_top(console, timeline)


def on_top(page: Any, part: Any) -> bool:
    """Whether somebody sees it: it is on the screen, and nothing lies above it."""
    return bool(
        part.first.evaluate(
            """it => {
                const box = it.getBoundingClientRect();
                const top = document.elementFromPoint(box.left + Math.min(box.width, 40) / 2, box.top + box.height / 2);
                return top !== null && (it.contains(top) || top.contains(it));
            }"""
        )
    )


def test_what_helps_is_read_on_a_phone(console: Any, live_server: Any) -> None:
    """On the page of what is held back, beside names of services that are as long as they are."""
    Pause.start("service", SERVICE, reason="the provider is down")
    queued()
    console.set_viewport_size({"width": 390, "height": 844})
    console.goto(f"{live_server.url}{reverse('admin:persistence_held')}")
    box = console.get_by_role("link", name="Resume it").bounding_box()
    assert 0 <= box["x"] < box["x"] + box["width"] <= 390
    assert console.locator("#orca-held ~ .orca-scroll").bounding_box()["height"] < 400
    look_at(console, "held-back")
