"""The pages of instructors, the feedback and the debrief in a browser: by keyboard, at three widths, light and dark."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.simulation.models import Simulation, SimulationFeedback, SimulationMetadata
from apps.simulation.services.lifecycle import end_simulation
from apps.trainerlab.models import Assignment, InstructorNote, ScenarioTemplate, SessionEvent, TrainerSession
from apps.trainerlab.services.commands import add_note, inject_event
from apps.training.demo.cases import rash_picture
from tests.apps.mail_server import by_smtp
from tests.apps.people import person
from tests.apps.training.visits import scenario_of
from tests.browser.chatting import ROSA, expect, look, session, sign_in, speaks, work, working

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def instructor(db: None) -> User:
    return person(UserRole.INSTRUCTOR, first_name="Ines", last_name="Instructor")


# --- writing scenarios ----------------------------------------------------------------------------------------------


def test_a_scenario_is_written_by_keyboard_and_previewed(page: Any, live_server: Any, instructor: User) -> None:
    sign_in(page, live_server, instructor, "/training/scenarios/new")
    page.get_by_label("Title").fill("Cough for a week")
    page.get_by_label("Name", exact=True).first.fill("Paul Weber")
    page.get_by_label("Diagnosis", exact=True).fill("pneumonia")
    page.get_by_label("What happened").fill("Paul is 70 years old. He has coughed for a week.")
    page.get_by_label("T °C").fill("39.1")
    page.get_by_role("button", name="Add a finding").press("Enter")
    page.keyboard.press("Tab")
    page.locator("[name=findings-1-key]").fill("C-reactive protein")
    page.locator("[name=findings-1-aliases]").fill("CRP")
    page.locator("[name=findings-1-value]").fill("180")
    expect(page.get_by_text("Unsaved changes")).to_be_visible()
    page.reload()
    expect(page.locator("[name=findings-1-key]")).to_have_value("C-reactive protein")  # with its row
    expect(page.get_by_label("Title")).to_have_value("Cough for a week")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("has been saved")).to_be_visible()
    made = ScenarioTemplate.objects.get()
    assert [(row["key"], row["value"]) for row in made.findings] == [
        ("Temperature", "39.1"),
        ("C-reactive protein", "180"),
    ]
    with working():
        page.get_by_role("button", name="Save and preview").first.click()
        expect(page.locator("#preview .theirs")).to_have_count(1)
        page.get_by_placeholder("Ask Paul Weber").fill("How long have you coughed?")
        page.keyboard.press("Enter")
        expect(page.locator("#preview .theirs")).to_have_count(2)
    assert look(page) == []


def test_a_row_is_removed_and_faults_are_told_beside_it(page: Any, live_server: Any, instructor: User) -> None:
    template = scenario_of(instructor, **ROSA)
    sign_in(page, live_server, instructor, f"/training/scenarios/{template.uuid}")
    rows = page.locator("[data-rows=findings] tr:visible")
    before = rows.count()
    page.get_by_role("button", name="Remove this finding").first.click()
    expect(rows).to_have_count(before - 1)
    page.get_by_label("BP mmHg").fill("very high")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Blood pressure is written as 120/80.")).to_be_visible()
    expect(page.get_by_text("Not saved.")).to_be_visible()
    page.get_by_label("BP mmHg").fill("150/95")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("has been saved")).to_be_visible()
    template.refresh_from_db()
    assert "C-reactive protein" not in [row["key"] for row in template.findings] or before > 2


def test_scenarios_travel_as_a_zip_with_pictures(page: Any, live_server: Any, instructor: User) -> None:
    template = scenario_of(instructor)
    sign_in(page, live_server, instructor, f"/training/scenarios/{template.uuid}")
    for colour in ("first", "second"):
        page.get_by_text("Add a picture").click()
        page.get_by_label("Picture", exact=True).set_input_files(
            {"name": f"{colour}.png", "mimeType": "image/png", "buffer": rash_picture()}
        )
        page.get_by_label("What it shows").fill(f"The {colour} one")
        page.get_by_role("button", name="Add picture").click()
        expect(page.locator(".pictures li", has_text=colour)).to_be_visible()
    page.get_by_role("button", name="Show earlier: The second one").press("Enter")
    expect(page.locator(".pictures li").first).to_contain_text("The second one")
    page.get_by_role("button", name="More actions").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Export").click()
    content = Path(waiting.value.path()).read_bytes()
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 3
    page.get_by_role("button", name="Remove: The first one").press("Enter")
    expect(page.locator(".pictures li")).to_have_count(1)

    page.goto(f"{live_server.url}/training/scenarios")
    page.get_by_role("button", name="Import and export").click()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_label("Exported file").set_input_files(
        {"name": "x.zip", "mimeType": "application/zip", "buffer": content}
    )
    page.locator("#import .primary").click()
    expect(page.get_by_text("1 changed")).to_be_visible()
    assert [image.description for image in template.images.all()] == ["The second one", "The first one"]
    assert look(page) == []


# --- the board, and watching ---------------------------------------------------------------------------------------


def test_the_board_pauses_and_messages_without_leaving(page: Any, live_server: Any, instructor: User) -> None:
    simulation = session(person(first_name="Tess", last_name="Trainee"), minutes=20, **ROSA)
    Message.objects.filter(simulation=simulation).update(created_at=timezone.now() - timedelta(minutes=3))
    sign_in(page, live_server, instructor, "/training/board")
    row = page.locator(".board li", has_text="Tess Trainee")
    expect(row).to_contain_text("waiting 3 min")
    page.get_by_role("button", name="Message into the session of Tess Trainee").press("Enter")
    page.get_by_label("What happens").fill("The phone rings.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Message into the session of Tess Trainee").press("Enter")
    expect(page.get_by_label("What happens")).to_have_value("The phone rings.")  # half-written, and kept
    page.get_by_role("button", name="Send", exact=True).press("Enter")
    expect(page.locator("#message")).not_to_be_visible()
    expect(row).to_contain_text("The phone rings.")
    expect(page.locator(".htmx-swapping, .htmx-settling, .htmx-added")).to_have_count(0)  # what came has its script
    page.get_by_role("button", name="Pause the session of Tess Trainee").press("Enter")
    expect(row.get_by_text("Paused", exact=True)).to_be_visible()
    page.get_by_role("link", name="Paused").press("Enter")
    expect(page.locator(".board li")).to_have_count(1)
    page.get_by_role("button", name="Resume the session of Tess Trainee").press("Enter")
    expect(page.get_by_text("No session is in this state")).to_be_visible()
    page.get_by_role("link", name="Show all live sessions").press("Enter")
    expect(row.get_by_text("Running", exact=True)).to_be_visible()
    assert list(SessionEvent.objects.values_list("kind", flat=True)) == ["event", "pause", "resume"]
    assert look(page) == []


def test_a_session_is_directed_from_one_composer(page: Any, live_server: Any, instructor: User) -> None:
    simulation = session(person(first_name="Tess", last_name="Trainee"), minutes=20, **ROSA)
    speaks(simulation, "When did it begin?", sender=simulation.user, role="user")
    sign_in(page, live_server, instructor, f"/training/simulations/{simulation.uuid}/watch")
    page.get_by_label("Inject an event").fill("A nurse comes")
    page.get_by_role("button", name="Change the vital signs").press("Enter")
    page.get_by_label("BP mmHg").fill("88")
    page.get_by_role("button", name="Change", exact=True).press("Enter")
    expect(page.get_by_text("Blood pressure is written as 120/80.")).to_be_visible()
    page.get_by_label("BP mmHg").fill("88/54")
    page.get_by_role("button", name="Change", exact=True).press("Enter")
    expect(page.locator("#monitor .abnormal", has_text="88/54")).to_be_visible()
    expect(page.get_by_label("Inject an event")).to_have_value("A nurse comes")

    page.get_by_role("tab", name="Event").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Report C-reactive protein").press("Enter")
    expect(page.locator("#messages", has_text="New finding: C-reactive protein")).to_be_visible()
    page.get_by_role("button", name="Another finding").press("Enter")
    page.get_by_label("Name").fill("Lactate")
    page.get_by_label("Value or report").fill("4.1")
    page.get_by_role("button", name="Report", exact=True).press("Enter")
    expect(page.locator("#messages", has_text="New finding: Lactate")).to_be_visible()
    page.get_by_role("tab", name="Whisper").click()
    page.get_by_label("Whisper to the patient").fill("Faint.")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Whisper to the patient")).to_have_value("")

    message = page.locator("#messages .ours").first
    message.hover()
    message.get_by_role("link", name="Note on message").click()
    page.keyboard.type("Good question.")
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="Notes").click()
    expect(page.locator("#notes", has_text="Good question.")).to_contain_text("on message")
    page.get_by_role("tab", name="Event").click()
    expect(page.get_by_label("Inject an event")).to_have_value("A nurse comes")
    assert look(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})

    assert SimulationMetadata.objects.get(simulation=simulation, key="Blood pressure").value == "88/54"
    assert InstructorNote.objects.get().message_sequence == Message.objects.get(role="user").sequence
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name="End the session").click()
    page.get_by_role("button", name="End now").click()
    expect(page.get_by_text("The session has ended.")).to_be_visible()
    expect(page.get_by_label("Inject an event")).not_to_be_visible()
    expect(page.get_by_placeholder("A note for the debrief")).to_be_visible()


# --- feedback and debrief ------------------------------------------------------------------------------------------


def ten_minutes(instructor: User) -> Simulation:
    """A session of ten minutes: twenty questions with answers, an order, events, notes, and a long feedback."""
    trainee = person(first_name="Tess", last_name="Trainee")
    template = scenario_of(instructor, time_limit=timedelta(minutes=20), **ROSA)
    simulation = session(trainee, key="unused", **ROSA)
    TrainerSession.objects.filter(simulation=simulation).update(template=template, instructor=instructor)
    answer = "It began this morning on one side of the head, rather suddenly, and light makes it worse than anything."
    for number in range(20):
        asked = f"Question {number}: when did it begin, where is it, and what makes it better or worse for you?"
        speaks(simulation, asked, sender=trainee, role="user")
        speaks(simulation, answer)
    inject_event(simulation.pk, instructor, "e1", "A nurse measures the blood pressure again: 124/78.")
    for sequence in (2, 8, 14):
        add_note(simulation.pk, instructor, "A good open question; wait for the whole answer next time.", sequence)
    add_note(simulation.pk, instructor, "Clear structure. Say what you think it is, and why, before the end.")
    began = timezone.now() - timedelta(minutes=10)
    Simulation.objects.filter(pk=simulation.pk).update(started_at=began)
    end_simulation(simulation)
    work()
    rubric = [
        {"criterion": f"Criterion {number}", "rating": rating, "comment": "What was seen, in a sentence of its own.",
         "messages": [2, 4]}
        for number, rating in enumerate(("met", "partly", "missed", "met", "met", "partly"))
    ]  # fmt: skip
    advice = ["Ask about allergies.", "Summarise what you have understood.", "Say what happens next."]
    text = "You asked in a good order and let the patient finish. " * 12
    rows = SimulationFeedback.objects.filter(simulation=simulation)
    rows.update(rubric=rubric, next_time=advice, overall_feedback=text)
    simulation.refresh_from_db()
    return simulation


def test_feedback_teaches_and_leads_to_another_go(page: Any, live_server: Any, instructor: User) -> None:
    simulation = ten_minutes(instructor)
    place = f"/training/simulations/{simulation.uuid}/feedback"
    sign_in(page, live_server, simulation.user, place)
    expect(page.locator(".next-time li")).to_have_count(3)
    page.locator(".refers a").first.press("Enter")
    message = Message.objects.get(simulation=simulation, sequence=2)
    expect(page.locator(f"#message-{message.pk}")).to_be_in_viewport()
    expect(page.locator(".message-note").first).to_contain_text("A good open question")
    page.evaluate("scrollTo(0, 0)")
    assert look(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("button", name="Play again").press("Enter")
    page.wait_for_url(re.compile(r"/training/simulations/[0-9a-f-]+$"))
    assert Simulation.objects.filter(user=simulation.user).count() == 2


@pytest.mark.long
def test_a_debrief_of_ten_minutes_prints_on_three_pages(page: Any, live_server: Any, instructor: User) -> None:
    simulation = ten_minutes(instructor)
    sign_in(page, live_server, instructor, f"/training/simulations/{simulation.uuid}/debrief")
    expect(page.get_by_text("Tess Trainee").first).to_be_visible()
    printed: bytes = page.pdf(format="A4", prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", printed))
    assert 1 <= pages <= 3, f"{pages} pages"
    assert look(page) == []


# --- lists, mail, errors ---------------------------------------------------------------------------------------------


def test_an_invitation_without_mail_shows_a_link(page: Any, live_server: Any, instructor: User, settings: Any) -> None:
    by_smtp(settings, 1)
    sign_in(page, live_server, instructor, "/training/invitations")
    page.get_by_label("Email").fill("new@example.com")
    page.get_by_role("button", name="Send the invitation").press("Enter")
    expect(page.get_by_text("The email to new@example.com could not be sent")).to_be_visible()
    link = page.get_by_label("Link for new@example.com").input_value()
    assert look(page) == []
    page.get_by_role("button", name="Copy link").press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.context.clear_cookies()
    page.goto(link)
    expect(page.get_by_text("new@example.com")).to_be_visible()
    page.goto(f"{live_server.url}/accounts/forgotten")
    page.get_by_label("Email").fill(instructor.email)
    page.keyboard.press("Enter")
    expect(page.get_by_text("The email cannot be sent")).to_be_visible()
    assert look(page) == []


def test_due_dates_are_in_the_readers_zone(page: Any, live_server: Any, instructor: User) -> None:
    zone = page.context.new_cdp_session(page)
    zone.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    trainee = person(first_name="Tess", last_name="Trainee")
    scenario_of(instructor)
    sign_in(page, live_server, instructor, "/training/assignments")
    expect(page.get_by_text("In your time zone, Asia/Tokyo.")).to_be_visible()
    page.get_by_label("Tess Trainee").check()
    page.get_by_label("Due").fill("2020-01-01T10:00")
    page.get_by_role("button", name="Assign", exact=True).press("Enter")
    expect(page.get_by_text("The due date is in the past.")).to_be_visible()
    page.get_by_label("Due").fill("2035-01-01T10:00")
    page.get_by_role("button", name="Assign", exact=True).press("Enter")
    expect(page.get_by_text("1 Jan 2035, 10:00 JST")).to_be_visible()
    due = Assignment.objects.get(trainee=trainee).due_at
    assert due is not None
    assert due.isoformat() == "2035-01-01T01:00:00+00:00"
    assert look(page) == []


def test_errors_are_pages_of_the_product(page: Any, live_server: Any, instructor: User) -> None:
    sign_in(page, live_server, instructor, "/training/scenarios/new")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_label("Title").fill("x")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="This page is out of date")).to_be_visible()
    assert look(page) == []
    page.goto(f"{live_server.url}/training/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    assert look(page) == []
    page.get_by_role("link", name="Home").press("Enter")
    expect(page.get_by_role("heading", name="Board")).to_be_visible()
