"""The pages of the consensus engine in a browser: submit, result, revise, difference; keyboard, dark, phone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.consensus.models import Run
from orchestration.providers.simulator import scripted
from orchestration.testing import run_due_calls
from tests.apps.consensus.reviewing import IDEA, blocking, says, script
from tests.apps.people import PASSWORD, person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SCREENSHOTS")


@pytest.fixture
def worker() -> Iterator[None]:
    """Runs what is due in a thread of its own, as a cluster would."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.2):
            run_due_calls()
        connection.close()

    guard = says("security_guardian", 0.9, blocking_issues=blocking("Anybody can read it.", critical=True), times=0)
    again = script(critic=says("critic", 0.95))
    with scripted(*script(security_guardian=guard), *again):
        thread = threading.Thread(target=work)
        thread.start()
        yield
        stop.set()
        thread.join()


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def sign_in(page: Any, live_server: Any) -> None:
    """On the way to the form for a new idea."""
    page.goto(f"{live_server.url}/consensus/new")
    page.get_by_label("Email").fill(person().email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


def test_an_idea_is_submitted_decided_revised_and_compared_by_keyboard(
    page: Any, live_server: Any, worker: None
) -> None:
    sign_in(page, live_server)

    page.get_by_role("heading", name="Have an idea reviewed").wait_for()
    page.get_by_label("Your idea").fill("One. " * 11)
    assert "about 11 of 10 sentences: too long" in page.locator("#id_idea_counter").inner_text()
    page.get_by_role("button", name="Start the review").click()
    assert "1 to 10 sentences" in page.get_by_role("alert").inner_text()
    shot(page, "form")
    page.get_by_label("Your idea").fill(IDEA)
    page.get_by_role("button", name="Start the review").focus()
    page.keyboard.press("Enter")

    page.locator("#timeline").wait_for()
    shot(page, "running")
    page.get_by_role("heading", name="Decision: Revise").wait_for(timeout=40_000)
    assert page.get_by_text("Security veto").is_visible()
    assert page.locator("[data-status=completed]").count() == 7
    assert page.get_by_text("Security-critical").count() == 1
    shot(page, "result")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shot(page, "result-dark-phone")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})

    page.get_by_role("link", name="Revise").click()
    page.get_by_label("Proposed solution").fill("A paper calendar on the wall.")
    shot(page, "revise")
    page.get_by_role("button", name="Review the revision").click()
    page.get_by_role("heading", name="Decision:").wait_for(timeout=40_000)
    assert page.get_by_text("A paper calendar on the wall.").first.is_visible()
    page.get_by_role("link", name="What changed").first.click()
    page.get_by_role("heading", name="What changed").wait_for()
    assert page.get_by_text("+ A paper calendar on the wall.").is_visible()
    assert page.get_by_text("- A shared calendar.").is_visible()
    shot(page, "diff")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("link", name="History").click()
    assert page.locator(".runs li").count() == 2
    shot(page, "history")
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}


def test_a_page_whose_server_is_away_for_a_while_follows_its_run_again(
    page: Any, live_server: Any, worker: None
) -> None:
    asked: list[str] = []

    def away_at_first(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(status=502, body="Bad gateway") if len(asked) == 1 else route.continue_()

    page.route("**/events", away_at_first)
    sign_in(page, live_server)
    page.get_by_label("Your idea").fill(IDEA)
    page.get_by_role("button", name="Start the review").click()
    page.get_by_role("heading", name="Decision: Revise").wait_for(timeout=40_000)
    assert len(asked) >= 2
