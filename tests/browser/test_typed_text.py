"""What is typed is never lost: not while a message is on its way, not by a pause, a finding, a reload, a sign-out or an
outage; and it is sent once."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User
from apps.chatlab.models import Message
from apps.simulation.models.cases import Finding
from apps.trainerlab.models import SessionEvent
from apps.trainerlab.services import commands
from tests.apps.people import PASSWORD, person
from tests.browser.chatting import box, chat, expect, session, sign_in, working

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]


@pytest.fixture
def trainee(db: None) -> User:
    return person()


def said(text: str) -> int:
    return Message.objects.filter(content=text, role="user").count()


def hold(page: Any) -> list[Any]:
    """Messages on their way, to be let through or stopped."""
    held: list[Any] = []
    page.route("**/say", lambda route: held.append(route))
    return held


def test_typing_continues_while_a_message_is_on_its_way(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    held = hold(page)
    box(page).fill("Where does it hurt?")
    box(page).press("Enter")
    shown = page.locator("#outgoing .ours", has_text="Where does it hurt?")
    expect(shown).to_be_visible()  # at once
    box(page).fill("And since when")
    held[0].continue_()
    page.unroute("**/say")
    expect(page.locator("#messages .ours", has_text="Where does it hurt?")).to_be_visible()
    expect(shown).to_have_count(0)
    expect(box(page)).to_have_value("And since when")
    box(page).press("Enter")
    expect(page.locator("#messages .ours")).to_have_count(2)
    expect(box(page)).to_have_value("")
    assert said("Where does it hurt?") == said("And since when") == 1


def test_a_pause_and_resume_keeps_what_is_typed_and_the_focus(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    instructor = simulation.trainer_session.instructor
    box(page).press_sequentially("Since wen does it")
    commands.pause(simulation.pk, instructor, "pause-1")
    page.get_by_text("has paused the session").wait_for()
    assert box(page).count() == 0
    commands.resume(simulation.pk, instructor, "resume-1")
    expect(box(page)).to_have_value("Since wen does it")


def test_a_part_that_is_replaced_keeps_text_focus_and_caret(page: Any, live_server: Any, trainee: User) -> None:
    """An instructor's half-written event, while a finding is reported."""
    simulation = session(trainee)
    instructor = simulation.trainer_session.instructor
    sign_in(page, live_server, instructor, f"{chat(simulation)}/watch")
    event = page.get_by_label("Inject an event")
    event.press_sequentially("A nurse comes")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    before = page.locator("#prepared").get_attribute("data-version")
    finding = Finding(kind="lab_result", key="Sodium", value="140", unit="mmol/L")
    commands.inject_finding(simulation.pk, instructor, "finding-1", finding)
    expect(page.locator("#prepared")).not_to_have_attribute("data-version", before)
    expect(event).to_have_value("A nurse comes")
    expect(event).to_be_focused()
    page.keyboard.type("quietly ")
    expect(event).to_have_value("A nurse quietly comes")
    page.reload()
    expect(event).to_have_value("A nurse quietly comes")
    page.get_by_role("button", name="Inject", exact=True).click()
    expect(event).to_have_value("")
    assert SessionEvent.objects.get(kind="event").data["text"] == "A nurse quietly comes"
    page.reload()
    expect(event).to_have_value("")


def test_a_reload_keeps_text_and_what_was_on_its_way(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    box(page).fill("Half a quest")
    page.reload()
    expect(box(page)).to_have_value("Half a quest")
    hold(page)  # it never arrives, and the page goes away meanwhile
    box(page).fill("On its way")
    box(page).press("Enter")
    expect(page.locator("#outgoing .ours")).to_be_visible()
    page.unroute("**/say")
    box(page).fill("Already the next")
    page.reload()
    expect(page.locator("#messages .ours", has_text="On its way")).to_be_visible()
    expect(box(page)).to_have_value("Already the next")
    assert said("On its way") == 1


def test_a_message_that_had_arrived_is_not_stored_twice(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    page.route("**/live?**", lambda route: route.abort())  # the page learns nothing of it

    def arrives_unanswered(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/say", arrives_unanswered)
    box(page).fill("Once only")
    box(page).press("Enter")
    page.get_by_text("Your text is kept").wait_for()
    expect(box(page)).to_have_value("Once only")
    page.unroute("**/say")
    box(page).press("Enter")
    page.unroute("**/live?**")
    expect(page.locator("#messages .ours", has_text="Once only")).to_have_count(1)
    expect(page.locator("#outgoing .ours")).to_have_count(0)
    expect(box(page)).to_have_value("")
    assert said("Once only") == 1


def test_a_sign_out_in_another_tab_leads_back_with_the_draft(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    box(page).fill("Does it hurt at night?")
    other = page.context.new_page()
    other.goto(f"{live_server.url}/training/simulations")
    other.get_by_role("button", name="Account of").click()
    other.get_by_role("button", name="Sign out").click()
    other.get_by_role("heading", name="Sign in").wait_for()
    other.close()
    box(page).press("Enter")
    page.get_by_role("heading", name="Sign in").wait_for()
    page.get_by_label("Email").fill(trainee.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}{chat(simulation)}")
    expect(box(page)).to_have_value("Does it hurt at night?")
    box(page).press("Enter")
    expect(page.locator("#messages .ours", has_text="at night")).to_be_visible()
    assert said("Does it hurt at night?") == 1


def test_a_new_token_against_forgery_does_not_stop_this_tab(page: Any, live_server: Any, trainee: User) -> None:
    """Signing in again, in another tab, changes it."""
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    page.route("**/live?**", lambda route: route.abort())  # which would lead to the sign-in
    other = page.context.new_page()
    other.goto(f"{live_server.url}/training/simulations")
    other.get_by_role("button", name="Account of").click()
    other.get_by_role("button", name="Sign out").click()
    other.get_by_role("heading", name="Sign in").wait_for()
    sign_in(other, live_server, trainee, "/training/simulations")
    other.close()
    page.unroute("**/live?**")
    box(page).fill("Still here")
    box(page).press("Enter")
    expect(page.locator("#messages .ours", has_text="Still here")).to_be_visible()


def test_during_an_outage_messages_wait_in_order(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    page.route("**/say", lambda route: route.abort())
    box(page).fill("One")
    box(page).press("Enter")
    page.get_by_text("Your text is kept").wait_for()
    expect(box(page)).to_have_value("One")  # alone, it is back in the box
    page.unroute("**/say")
    held = hold(page)
    box(page).press("Enter")
    box(page).fill("Two")
    box(page).press("Enter")
    expect(page.locator("#outgoing .ours")).to_have_count(2)
    held[0].abort()
    waiting = page.locator("#outgoing .ours")
    expect(waiting.first).to_contain_text("Not sent.")
    expect(waiting).to_have_count(2)
    page.unroute("**/say")
    waiting.first.get_by_role("button", name="Send again").click()
    expect(page.locator("#messages .ours")).to_have_count(2)
    expect(waiting).to_have_count(0)
    contents = Message.objects.filter(simulation=simulation, role="user").order_by("sequence")
    assert list(contents.values_list("content", flat=True)) == ["One", "Two"]


def test_what_a_paused_session_refuses_is_a_draft_again(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    instructor = simulation.trainer_session.instructor
    page.route("**/live?**", lambda route: route.abort())
    page.wait_for_timeout(200)
    commands.pause(simulation.pk, instructor, "pause-1")
    box(page).fill("Too late")
    box(page).press("Enter")
    page.get_by_text("The instructor has paused this simulation").wait_for()
    page.unroute("**/live?**")
    commands.resume(simulation.pk, instructor, "resume-1")
    with working():
        expect(box(page)).to_have_value("Too late")
        box(page).press("Enter")
        page.locator("#messages .ours", has_text="Too late").get_by_text("Delivered").wait_for()
    assert said("Too late") == 1
