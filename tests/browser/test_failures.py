"""What a trainee is told when an answer does not come, and what helps, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.accounts.models import User
from apps.chatlab.models import Message
from apps.simulation.services.lifecycle import end_simulation
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from tests.apps.people import person
from tests.browser.chatting import box, chat, expect, look, session, sign_in, work

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
WORDING = re.compile(r"other words|rephrase", re.IGNORECASE)


@pytest.fixture
def trainee(db: None) -> User:
    return person()


@pytest.fixture(autouse=True)
def one_attempt(settings: Any) -> None:
    """Failing calls fail at once instead of waiting for their second attempt."""
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RETRY_MAX_ATTEMPTS": 1}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("unavailable", "The model could not be reached."),
        ("unauthorized", "The model refused our access"),
        ("wrong_shape", "The model's answer was not usable."),
        ("rate_limit", "too many requests"),
    ],
)
def test_what_is_not_the_trainees_fault_can_be_tried_again(
    page: Any, live_server: Any, trainee: User, kind: Any, told: str
) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    failed = page.locator("#messages .delivery.failed")
    with scripted(Fault(kind=kind, times=0)):
        box(page).fill("Since when do you have it?")
        box(page).press("Enter")
        expect(page.locator("#messages .ours")).to_be_visible()
        work()
        expect(failed).to_contain_text(told)
        assert not WORDING.search(failed.inner_text())
        failed.get_by_role("button", name="Try again").press("Enter")
        expect(failed).to_have_count(0)
        work()
        expect(failed).to_contain_text(told)
    if kind == "unavailable":
        assert look(page) == []
    failed.get_by_role("button", name="Try again").press("Enter")
    expect(failed).to_have_count(0)
    work()  # the provider is back
    page.locator("#messages .ours").get_by_text("Delivered").wait_for()
    assert Message.objects.filter(simulation=simulation, role="user").count() == 1


def test_when_no_retry_is_left_the_same_is_sent_as_a_new_message(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    failed = page.locator("#messages .delivery.failed")
    with scripted(Fault(kind="unavailable", times=0)):
        box(page).fill("Since when?")
        box(page).press("Enter")
        for _ in range(2):
            expect(failed).to_have_count(0)
            expect(page.locator("#messages .ours")).to_be_visible()
            work()
            failed.get_by_role("button", name="Try again").press("Enter")
        expect(failed).to_have_count(0)
        work()
        expect(failed).to_be_visible()
    expect(failed.get_by_role("button", name="Try again")).to_have_count(0)
    failed.get_by_role("button", name="Send again").press("Enter")
    expect(page.locator("#messages .ours")).to_have_count(2)
    work()
    page.locator("#messages .ours").last.get_by_text("Delivered").wait_for()


def test_only_a_model_that_declines_asks_for_other_words(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    with scripted(Fault(kind="refusal", times=0)):
        box(page).fill("Say something terrible")
        box(page).press("Enter")
        expect(page.locator("#messages .ours")).to_be_visible()
        work()
    failed = page.locator("#messages .delivery.failed")
    expect(failed).to_contain_text("The model declined to answer this. Put it in other words.")
    expect(failed.get_by_role("button")).to_have_count(0)


def test_a_session_that_could_not_start_starts_after_the_outage(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, begun=False)
    with scripted(Fault(kind="unavailable", times=0)):
        work()
    sign_in(page, live_server, trainee, chat(simulation))
    notice = page.locator("#notice")
    expect(notice).to_contain_text("The session could not start. The model could not be reached.")
    expect(box(page)).to_have_count(0)
    notice.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator("#typing")).to_contain_text("is coming in")
    work()
    expect(box(page)).to_be_visible()


def test_a_failed_feedback_says_feedback(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    box(page).fill("Since when?")
    box(page).press("Enter")
    expect(page.locator("#messages .ours")).to_be_visible()
    work()
    end_simulation(simulation)
    with scripted(Fault(kind="unavailable", times=0)):
        work()
    page.goto(f"{live_server.url}{chat(simulation)}/feedback")
    shown = page.locator("#feedback")
    expect(shown).to_contain_text("The feedback could not be written. The model could not be reached.")
    assert "patient could not" not in shown.inner_text()
    assert not WORDING.search(shown.inner_text())
    shown.get_by_role("button", name="Try again").click()
    expect(shown).to_contain_text("is being written")
    work()
    expect(page.get_by_text("Patient's experience")).to_be_visible()
