"""The pages of the consensus engine in a browser: submit, result, revise, difference; keyboard, dark, phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from apps.consensus.models import Run
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.consensus.reviewing import IDEA, blocking, says, script
from tests.apps.people import PASSWORD, person
from tests.browser.chatting import elsewhere, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def worker() -> Iterator[None]:
    """Runs what is due in a thread of its own, as a cluster would."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.2):
            drain()
        connection.close()

    guard = says("security_guardian", 0.9, blocking_issues=blocking("Anybody can read it.", critical=True), times=0)
    again = script(critic=says("critic", 0.95))
    with scripted(*script(security_guardian=guard), *again):
        thread = threading.Thread(target=work)
        thread.start()
        yield
        stop.set()
        thread.join()


def sign_in(page: Any, live_server: Any) -> None:
    """On the way to the form for a new idea."""
    page.goto(f"{live_server.url}/consensus/new")
    page.get_by_label("Email").fill(person().email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


def decided(page: Any, live_server: Any) -> None:
    """On the page of an idea that has been reviewed."""
    sign_in(page, live_server)
    page.get_by_label("Your idea").fill(IDEA)
    page.get_by_role("button", name="Start the review").click()
    page.get_by_role("heading", name="Decision: Revise").wait_for(timeout=40_000)


def wide(page: Any) -> None:
    """Back on a desktop, after a look at the narrow widths."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_an_idea_is_decided_by_keyboard(page: Any, live_server: Any, worker: None) -> None:
    sign_in(page, live_server)

    page.get_by_role("heading", name="Have an idea reviewed").wait_for()
    page.get_by_label("Your idea").fill("One. " * 11)
    assert "about 11 of 10 sentences: too long" in page.locator("#id_idea_counter").inner_text()
    page.get_by_role("button", name="Start the review").click()
    assert "1 to 10 sentences" in page.get_by_role("alert").inner_text()
    assert look(page) == []
    wide(page)
    page.get_by_label("Your idea").fill(IDEA)
    page.get_by_role("button", name="Start the review").focus()
    page.keyboard.press("Enter")

    page.locator("#timeline").wait_for()
    page.get_by_role("heading", name="Decision: Revise").wait_for(timeout=40_000)
    assert page.locator("main section").first.get_by_role("heading").inner_text().endswith("Revise")
    assert "the security guardian vetoed it: Anybody can read it." in page.locator(".reason").inner_text()
    assert "revise from 0.60, approve from 0.80" in (page.locator(".score-bar").get_attribute("aria-label") or "")
    assert page.get_by_text("Security veto").is_visible()
    assert page.get_by_text("Security-critical").is_visible()
    assert page.locator("#timeline").is_hidden()
    page.locator(".steps summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("[data-status=completed]:visible").count() == 7
    assert "7 of 7 done in" in page.locator(".steps summary").inner_text()
    assert look(page) == []


def test_the_state_in_the_header_follows_the_run(page: Any, live_server: Any) -> None:
    sign_in(page, live_server)
    page.get_by_label("Your idea").fill(IDEA)
    page.get_by_role("button", name="Start the review").click()
    page.locator(".bar [data-run-state=queued]", has_text="Queued").wait_for()
    page.evaluate(
        """() => new MutationObserver(() => {
            const state = document.querySelector("[data-run-state]");
            sessionStorage.shown = `${sessionStorage.shown || ""} ${state.dataset.runState}:${state.innerText.trim()}`;
        }).observe(document.querySelector(".bar"), { subtree: true, attributes: true, childList: true })"""
    )

    def review() -> None:
        with scripted(*script()):
            drain()

    elsewhere(review)
    page.get_by_role("heading", name="Decision: Approve").wait_for(timeout=40_000)
    assert "running:Running" in page.evaluate("sessionStorage.shown")
    assert page.locator(".bar [data-run-state]").count() == 0, "the decision says it now"


def test_a_revision_is_compared(page: Any, live_server: Any, worker: None) -> None:
    decided(page, live_server)

    page.get_by_role("link", name="Revise").click()
    page.get_by_label("Proposed solution").fill("A paper calendar on the wall.")
    page.get_by_role("button", name="Review the revision").click()
    page.get_by_role("heading", name="Decision:").wait_for(timeout=40_000)
    assert page.get_by_text("A paper calendar on the wall.").first.is_visible()
    assert page.locator(".versions li").count() == 2
    page.get_by_role("link", name="What changed").click()
    page.get_by_role("heading", name="What changed").wait_for()
    assert page.locator("ins", has_text="A paper calendar on the wall.").is_visible()
    assert page.locator("del", has_text="A shared calendar.").is_visible()
    assert look(page) == []
    page.goto(f"{live_server.url}/consensus/")
    page.locator(".runs").wait_for()
    assert page.locator(".runs li").count() == 2
    assert look(page) == []
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}


def test_reviews_are_columns_and_on_a_phone_tabs(page: Any, live_server: Any, worker: None) -> None:
    decided(page, live_server)

    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.locator(".review:visible").count() == 5
    assert page.locator(".review-tabs").is_hidden()
    first, second = (page.locator(".review").nth(place).bounding_box() for place in (0, 1))
    assert first["y"] == second["y"]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator(".review:visible").count() == 1
    page.get_by_role("tab").first.focus()
    page.keyboard.press("ArrowRight")
    shown = page.get_by_role("tab").nth(1)
    assert shown.get_attribute("aria-selected") == "true"
    assert page.locator(".review:visible").get_attribute("aria-labelledby") == shown.get_attribute("id")


def test_a_page_follows_its_run_again_after_an_outage(page: Any, live_server: Any, worker: None) -> None:
    asked: list[str] = []

    def away_at_first(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(status=502, body="Bad gateway") if len(asked) == 1 else route.continue_()

    page.route("**/events", away_at_first)
    decided(page, live_server)
    assert len(asked) >= 2
