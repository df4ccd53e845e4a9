"""The conversation in a real browser: the composer, the log, the clock, orders and results, the end; at three widths,
by keyboard, without violations of accessibility, and with two hundred messages."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import User
from apps.chatlab.models import Message
from apps.simulation.models import Simulation
from apps.trainerlab.models import Assignment
from apps.trainerlab.services import commands
from apps.trainerlab.services.scenarios import assign
from orchestration.clock import database_now
from tests.apps.people import person
from tests.browser.chatting import ROSA, box, chat, expect, long_talk, look, session, sign_in, speaks, work, working
from tests.clusters import until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
DISTANCE = "(log => log.scrollHeight - log.scrollTop - log.clientHeight)(document.getElementById('log'))"
"""From the end of the log, in pixels."""


@pytest.fixture
def trainee(db: None) -> User:
    return person(first_name="Tess", last_name="Trainee")


def test_a_briefing_comes_first_and_begin_starts_the_session(page: Any, live_server: Any, trainee: User) -> None:
    other = session(person(), **ROSA, minutes=20)  # only for its scenario
    template, instructor = other.trainer_session.template, other.trainer_session.instructor
    assign(template, trainee, instructor, message="Take your time.")
    before = Simulation.objects.count()
    sign_in(page, live_server, trainee, "/training/simulations")
    page.get_by_role("link", name="Start Headache").press("Enter")
    page.get_by_role("heading", name="Headache", level=1).wait_for()
    shown = page.locator("main").inner_text()
    for said in ("Rosa Kern", "41 years", "General practice", "Take the history", "20 minutes", "Take your time."):
        assert said in shown, said
    assert "migraine" not in shown
    assert Simulation.objects.count() == before
    assert look(page) == []
    page.get_by_role("button", name="Begin").press("Enter")
    page.get_by_role("heading", name="Rosa Kern").wait_for()
    simulation = Assignment.objects.get(trainee=trainee).simulation
    assert simulation is not None
    page.goto(f"{live_server.url}/training/assignments/{Assignment.objects.get(trainee=trainee).pk}/briefing")
    page.wait_for_url(f"{live_server.url}{chat(simulation)}")  # what has begun continues


def test_one_can_write_from_the_patients_first_words(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, begun=False, minutes=20, **ROSA)
    sign_in(page, live_server, trainee, chat(simulation))
    expect(page.locator("#typing")).to_contain_text("Rosa Kern is coming in")
    expect(box(page)).to_have_count(0)
    expect(page.get_by_role("timer")).to_contain_text("20:00")  # it stands still
    work()
    expect(page.locator("#messages .theirs")).not_to_have_count(0)
    expect(box(page)).to_be_visible()
    head = page.locator("#head").inner_text()
    assert "41 years · female · teacher" in head
    expect(page.get_by_role("timer")).to_contain_text("19:5")


def test_orders_are_found_by_synonym_and_results_shown(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, **ROSA)
    sign_in(page, live_server, trainee, chat(simulation))
    page.get_by_role("button", name="Order tests").press("Enter")
    search = page.get_by_label("Laboratory tests and imaging")
    search.press_sequentially("crp")
    expect(page.get_by_role("option").first).to_contain_text("C-reactive protein")
    search.press("Enter")
    search.press_sequentially("chest")
    search.press("ArrowDown")
    search.press("ArrowUp")
    page.get_by_role("option", name=re.compile("Chest X-ray")).click()
    search.fill("Banana")  # not confirmed, but meant
    chips = page.get_by_role("list", name="Chosen tests")
    expect(chips.get_by_role("listitem")).to_have_count(2)
    assert look(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    search.press("Escape")
    with working():
        page.get_by_role("button", name="Order", exact=True).press("Enter")
        expect(page.get_by_role("dialog")).to_be_hidden()
        card = page.locator("#messages .result-card")
        expect(card.locator("tr", has_text="C-reactive protein")).to_contain_text("84 mg/L")
    expect(card.locator("tr", has_text="C-reactive protein")).to_contain_text("High")
    expect(card).to_contain_text("Clear lungs")
    expect(card).to_contain_text("“Banana”")
    row = page.locator("#facts tr", has_text="C-reactive protein")
    expect(row).to_have_class(re.compile("is-new"))
    expect(page.locator(".panel-head [data-new-results]")).to_have_text("2")
    page.get_by_role("link", name="Results").click()
    expect(page.locator(".panel-head [data-new-results]")).to_be_hidden()
    assert Message.objects.get(message_type="order").content.splitlines() == [
        "C-reactive protein",
        "Chest X-ray",
        "Banana",
    ]


def test_history_is_known_once_it_was_asked_for(page: Any, live_server: Any, trainee: User) -> None:
    """What the author wrote about the patient is there from the start, results and history are not."""
    simulation = session(trainee, **ROSA)
    sign_in(page, live_server, trainee, chat(simulation))
    facts, results = page.locator("#record-facts"), page.locator("#record-results")
    expect(facts).to_contain_text("teacher")
    expect(facts.locator("dt")).to_have_text(["Age", "Sex", "Occupation"])
    expect(results).to_contain_text("Results of what you order will appear here.")
    with working():
        box(page).fill("Do you have any allergies?")
        page.keyboard.press("Enter")
        expect(facts.locator("dt")).to_have_text(["Age", "Sex", "Occupation", "Allergies"])
        expect(facts).to_contain_text("She has no allergies.")
        expect(facts).not_to_contain_text("began this morning")
        box(page).fill("When did it begin?")
        page.keyboard.press("Enter")
        expect(facts).to_contain_text("The headache began this morning.")
    expect(results).not_to_contain_text("C-reactive protein")


def test_examining_and_the_monitor(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, **ROSA)
    sign_in(page, live_server, trainee, chat(simulation))
    pulse = page.locator(".vital", has_text="HR")
    expect(pulse).to_contain_text("118")
    expect(pulse).to_have_class(re.compile("abnormal"))
    expect(page.locator(".vital", has_text="BP")).not_to_have_class(re.compile("abnormal"))
    page.get_by_role("button", name="Examine").press("Enter")
    page.get_by_role("button", name="Abdomen").press("Enter")
    expect(page.locator("#examine-menu")).to_be_hidden()
    expect(page.locator("#record-orders")).to_contain_text("Pending")
    work()
    expect(page.locator("#messages .result-card")).to_contain_text("Tender in the right lower quadrant")
    expect(page.locator("#record-exam")).to_contain_text("Tender in the right lower quadrant")
    expect(page.locator("#record-orders")).not_to_contain_text("Pending")
    commands.change_vitals(simulation.pk, simulation.trainer_session.instructor, "vitals-1", {"hr": "76"})
    expect(pulse).to_contain_text("76")
    expect(pulse).not_to_have_class(re.compile("abnormal"))


def test_the_log_follows_its_end_unless_somebody_reads_above(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee)
    long_talk(simulation, 40)
    sign_in(page, live_server, trainee, chat(simulation))
    until(lambda: page.evaluate(DISTANCE) < 5, "the log is at its end")
    speaks(simulation, "At the end")
    expect(page.locator("#messages .theirs", has_text="At the end")).to_be_in_viewport()
    page.locator("#log").hover()
    page.mouse.wheel(0, -3000)
    until(lambda: page.evaluate(DISTANCE) > 500, "the log is scrolled")
    expect(page.get_by_role("button", name="New messages")).to_be_hidden()
    speaks(simulation, "While reading")
    button = page.get_by_role("button", name="New messages")
    expect(button).to_be_visible()
    assert page.evaluate(DISTANCE) > 500
    button.press("Enter")
    expect(page.locator("#messages .theirs", has_text="While reading")).to_be_in_viewport()
    expect(button).to_be_hidden()
    page.mouse.wheel(0, -3000)
    until(lambda: page.evaluate(DISTANCE) > 500, "the log is scrolled")
    box(page).fill("My own")
    box(page).press("Enter")
    expect(page.locator(".ours", has_text="My own").last).to_be_in_viewport()


def test_the_composer_is_in_view_with_a_phones_keyboard_open(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, **ROSA)
    long_talk(simulation, 30)
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, live_server, trainee, chat(simulation))
    for height in (844, 420):  # the keyboard takes the rest
        page.set_viewport_size({"width": 390, "height": height})
        expect(box(page)).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_in_viewport(ratio=1)
        expect(page.locator("#messages .message").last).to_be_in_viewport()
    box(page).fill("\n".join(["A line"] * 12))
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_in_viewport(ratio=1)
    rows = page.evaluate("(it => it.clientHeight / parseFloat(getComputedStyle(it).lineHeight))(window.content)")
    assert 5 < rows < 7.5
    page.set_viewport_size({"width": 390, "height": 844})
    record = page.get_by_role("complementary", name="Record of the patient")
    expect(record).to_be_hidden()
    page.get_by_role("button", name="Record of the patient").press("Enter")
    expect(record).to_be_visible()
    page.keyboard.press("Escape")
    expect(record).to_be_hidden()


def test_a_session_that_was_ended_says_so_at_once(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, minutes=20)
    sign_in(page, live_server, trainee, chat(simulation))
    page.get_by_role("button", name="More actions").press("Enter")
    expect(page.get_by_role("button", name="End the session")).to_be_visible()
    page.keyboard.press("Escape")
    commands.end_session(simulation.pk, simulation.trainer_session.instructor, "end-1")
    expect(page.get_by_role("alert").filter(has_text="This session has ended.")).to_be_visible()
    expect(box(page)).to_have_count(0)
    expect(page.get_by_role("timer")).to_have_count(0)
    page.get_by_role("button", name="More actions").press("Enter")
    expect(page.get_by_role("button", name="End the session")).to_have_count(0)
    expect(page.get_by_role("link", name="See the feedback").first).to_be_visible()


def test_the_page_says_that_time_is_up_and_the_clock_is_steady(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, minutes=20)
    Simulation.objects.filter(pk=simulation.pk).update(ends_at=database_now() + timedelta(seconds=8))
    page.add_init_script(
        """window.clocks = [];
        new MutationObserver(() => {
            const clock = document.querySelector('[role=timer]');
            if (clock) window.clocks.push(clock.innerText.split('\\n').pop().trim());
        }).observe(document, {childList: true, subtree: true, characterData: true});"""
    )
    sign_in(page, live_server, trainee, chat(simulation))
    box(page).fill("Almost")
    for number in range(3):  # parts are replaced meanwhile
        speaks(simulation, f"More {number}")
    expect(page.locator(".timer.urgent")).to_be_visible()
    expect(page.get_by_text("Time is up.").first).to_be_visible()
    expect(box(page)).to_have_count(0)
    expect(page.get_by_role("alert").filter(has_text="Time is up. This session has ended.")).to_be_visible()
    simulation.refresh_from_db()
    assert simulation.has_ended
    shown = page.evaluate("window.clocks")
    assert shown
    assert [text for text in shown if not re.search(r"(^|: )\d+:\d\d$", text)] == []
    expect(page.locator("[data-end]")).to_have_count(0)


def test_every_state_is_accessible_at_three_widths(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, minutes=20, **ROSA)
    sign_in(page, live_server, trainee, chat(simulation))
    with working():
        box(page).fill("Hello, what brings you here today?")
        box(page).press("Enter")
        page.locator("#messages .ours").get_by_text("Delivered").wait_for()
    commands.inject_event(simulation.pk, simulation.trainer_session.instructor, "event-1", "The phone rings.")
    page.get_by_text("The phone rings.").wait_for()
    assert look(page) == []
    page.get_by_role("button", name="Record of the patient").press("Enter")
    assert look(page) == []
    page.keyboard.press("Escape")
    commands.pause(simulation.pk, simulation.trainer_session.instructor, "pause-1")
    page.get_by_text("has paused the session").wait_for()
    assert look(page) == []


def test_a_whole_session_by_keyboard_alone(page: Any, live_server: Any, trainee: User) -> None:
    simulation = session(trainee, **ROSA)
    sign_in(page, live_server, trainee, chat(simulation))

    def tab_to(accepts: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"(() => {{ const it = document.activeElement; return {accepts}; }})()"):
                return
        pytest.fail(f"no Tab leads to {accepts}")

    with working():
        tab_to("it.id === 'content'")
        page.keyboard.type("Since when do you have it?")
        page.keyboard.press("Enter")
        page.locator("#messages .ours").get_by_text("Delivered").wait_for()
        tab_to("it.innerText.includes('Order tests')")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Laboratory tests and imaging")).to_be_focused()
        page.keyboard.type("crp")
        page.keyboard.press("Enter")
        tab_to("it.innerText.trim() === 'Order'")
        page.keyboard.press("Enter")
        page.locator("#messages .result-card").wait_for()
        page.keyboard.press("Shift+Tab")
        tab_to("it.getAttribute('aria-label') === 'Send'")
        for _ in range(40):
            page.keyboard.press("Shift+Tab")
            if page.evaluate("document.activeElement.getAttribute('aria-label') === 'More actions'"):
                break
        page.keyboard.press("Enter")
        tab_to("'end' in it.dataset")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog", name="End the session?")).to_be_visible()
        tab_to("it.innerText.trim() === 'End now'")
        page.keyboard.press("Enter")
        page.wait_for_url("**/feedback")


@pytest.mark.long
def test_typing_beside_two_hundred_messages_blocks_nothing(page: Any, live_server: Any, trainee: User) -> None:
    """No task of the page takes a tenth of a second. What the page's own thread has computed is read after each key,
    which bounds every task in between: time in which the machine does something else does not count."""
    simulation = session(trainee, **ROSA)
    long_talk(simulation, 200)
    sign_in(page, live_server, trainee, chat(simulation))
    expect(page.locator("#messages .message")).to_have_count(201)
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    box(page).focus()
    spent = [computed(tools)]
    for number in range(3):
        for letter in "Does it get worse? ":
            page.keyboard.press(letter)
            spent.append(computed(tools))
        speaks(simulation, f"And one more arrives: {number}.")
        while not page.locator("#messages .theirs", has_text=f"arrives: {number}").count():
            spent.append(computed(tools))
    tasks = [after - before for before, after in itertools.pairwise(spent)]
    expect(box(page)).to_have_value("Does it get worse? " * 3)
    assert sum(tasks) > 0, "nothing was measured"
    assert max(tasks) < 0.1, f"{max(tasks):.3f} s at {tasks.index(max(tasks))} of {len(tasks)}"


def computed(tools: Any) -> float:
    """Seconds of processor time that the page's main thread has spent on tasks."""
    found = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"])
