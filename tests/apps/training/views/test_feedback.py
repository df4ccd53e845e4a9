"""Feedback and debrief teach: criteria with the messages they refer to, three things for next time, notes where they
belong, and another go."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.chatlab.services.replies import place_order, post_message
from apps.simulation.models import Simulation, SimulationFeedback
from apps.simulation.services.image_upload import read_picture
from apps.simulation.services.lifecycle import end_simulation
from apps.trainerlab.models import ScenarioTemplate, TrainerSession
from apps.trainerlab.services.commands import add_note, inject_event
from apps.trainerlab.services.pictures import add_picture
from apps.trainerlab.services.scenarios import assign, start_assignment
from apps.training.demo.cases import rash_picture
from orchestration.testing import drain
from tests.apps.people import person
from tests.apps.training.visits import Visitor, begun, elements, scenario_of

pytestmark = pytest.mark.django_db
QUESTIONS = ("Hello, what brings you here?", "Can you show me a picture of it?", "I think that this is a migraine.")


@pytest.fixture
def instructor() -> Visitor:
    return Visitor(person(UserRole.INSTRUCTOR, first_name="Ines", last_name="Instructor"))


@pytest.fixture
def trainee() -> Visitor:
    return Visitor(person(first_name="Tess", last_name="Trainee"))


@pytest.fixture
def ended(instructor: Visitor, trainee: Visitor) -> Simulation:
    """A session with messages, an order, a picture, an event and notes."""
    template = scenario_of(instructor.user, is_open=False)
    upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
    add_picture(template, read_picture(upload), "The forehead")
    simulation = start_assignment(assign(template, trainee.user, instructor.user).pk)
    drain()
    for number, text in enumerate(QUESTIONS):
        post_message(simulation.pk, trainee.user, text, f"k{number}")
        drain()
    place_order(simulation.pk, trainee.user, ["Sodium"], "o1")
    drain()
    inject_event(simulation.pk, instructor.user, "e1", "The phone rings.")
    add_note(simulation.pk, instructor.user, "A warm welcome.", 2)
    add_note(simulation.pk, instructor.user, "Good session.")
    end_simulation(simulation)
    drain()
    simulation.refresh_from_db()
    return simulation


def at(simulation: Simulation, place: str = "") -> str:
    return f"/simulations/{simulation.uuid}{place}"


def judged(simulation: Simulation) -> None:
    rubric = [
        {"criterion": "Opening", "rating": "met", "comment": "Open and kind.", "messages": [2, 999]},
        {"criterion": "Allergies", "rating": "missed", "comment": "Never asked.", "messages": []},
    ]
    advice = ["Ask about allergies.", "Summarise.", "Say what is next.", "A fourth."]
    SimulationFeedback.objects.filter(simulation=simulation).update(rubric=rubric, next_time=advice)


@pytest.mark.parametrize(("place", "anchor"), [("/feedback", "message-{0.pk}"), ("/debrief", "sequence-{0.sequence}")])
def test_criteria_lead_to_the_messages_they_refer_to(
    trainee: Visitor, ended: Simulation, place: str, anchor: str
) -> None:
    judged(ended)
    html = trainee.get(at(ended, place)).content.decode()
    target = anchor.format(Message.objects.get(simulation=ended, sequence=2))
    assert f'href="#{target}"' in html
    assert any(attributes.get("id") == target for _, attributes in elements(html))
    assert "#999" not in html, "there is no such message"
    assert "Say what is next." in html
    assert "A fourth." not in html


CRITERIA = ["Asks when it began and where it is", "Orders sodium", "Names the diagnosis", "Asks about the family"]


def test_the_authors_criteria_are_judged_and_shown(trainee: Visitor, instructor: Visitor) -> None:
    """From the scenario to the page, by the simulated examiner."""
    scenario_of(instructor.user, criteria=CRITERIA)
    simulation = begun(ScenarioTemplate.objects.get(), trainee.user)
    asked = ("When did it begin, and where is it?", "Do you smoke?", "I think that this is a migraine.")
    for number, text in enumerate(asked):
        post_message(simulation.pk, trainee.user, text, f"k{number}")
        drain()
    place_order(simulation.pk, trainee.user, ["Sodium"], "o1")
    drain()
    end_simulation(simulation)
    drain()
    rubric = SimulationFeedback.objects.get(simulation=simulation).rubric
    messages = Message.objects.filter(simulation=simulation, sender=trainee.user)
    began, _, named, ordered = messages.order_by("sequence").values_list("sequence", flat=True)
    assert [(row["criterion"], row["rating"], row["messages"]) for row in rubric] == [
        (CRITERIA[0], "met", [began]),
        (CRITERIA[1], "met", [ordered]),
        (CRITERIA[2], "met", [named]),
        (CRITERIA[3], "missed", []),
    ]
    for place, anchor in (("/feedback", "message-{0.pk}"), ("/debrief", "sequence-{0.sequence}")):
        html = trainee.get(at(simulation, place)).content.decode()
        shown = html[html.index('class="rubric"') :].partition("</ul>")[0]
        targets = [attributes["href"] for tag, attributes in elements(shown) if tag == "a"]
        expected = [messages.get(sequence=sequence) for sequence in (began, ordered, named)]
        assert targets == [f"#{anchor.format(message)}" for message in expected]
        places = [shown.index(criterion) for criterion in CRITERIA]
        assert places == sorted(places)
        assert shown.count("Missed") == 1


@pytest.mark.parametrize("place", ["", "/feedback", "/debrief"])
def test_pages_say_that_answers_are_simulated(trainee: Visitor, ended: Simulation, place: str) -> None:
    assert "<strong>Simulated.</strong>" in trainee.get(at(ended, place)).content.decode()


@pytest.mark.parametrize("place", ["/feedback", "/debrief"])
def test_notes_are_where_they_belong(trainee: Visitor, ended: Simulation, place: str) -> None:
    html = trainee.get(at(ended, place)).content.decode()
    said = html[html.index(">Conversation</h2>" if place == "/feedback" else ">Transcript</h2>") :]
    assert said.index("Hello, what brings you here?") < said.index("A warm welcome.") < said.index("Can you show me")
    assert html.count("A warm welcome.") == html.count("Good session.") == 1
    assert "Good session." not in said


def test_a_debrief_names_people_and_shows_pictures(trainee: Visitor, instructor: Visitor, ended: Simulation) -> None:
    html = trainee.get(at(ended, "/debrief")).content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    for shown in ("Tess Trainee · Trainee", "Rosa Kern · Patient", "Ines Instructor"):
        assert shown.replace(" · ", " ") in text, shown
    transcript = html[html.index('class="transcript"') :]
    assert trainee.user.email not in transcript
    assert instructor.user.email not in transcript
    assert "/images/" in next(attributes["src"] or "" for tag, attributes in elements(transcript) if tag == "img")
    assert "[Picture:" not in transcript


def test_the_debrief_counts_as_the_feedback_does(trainee: Visitor, ended: Simulation) -> None:
    html = trainee.get(at(ended, "/debrief")).content.decode()
    assert "3 messages" in html
    assert "2 questions, 1 order" in html
    feedback = SimulationFeedback.objects.get(simulation=ended).overall_feedback
    counted = re.search(r"(\d+) messages? with (\d+) questions?", feedback)
    assert counted is not None, feedback
    assert counted.groups() == ("3", "2")


def test_who_has_played_a_scenario_plays_it_again(trainee: Visitor, instructor: Visitor, ended: Simulation) -> None:
    assert "Play again" in trainee.get(at(ended, "/feedback")).content.decode()
    assert "Play again" not in instructor.get(at(ended, "/feedback")).content.decode()
    assert Visitor(person()).post(at(ended, "/again")).status_code == 404
    page = trainee.post(at(ended, "/again"))
    second = Simulation.objects.exclude(pk=ended.pk).get()
    assert page.redirect_chain[-1][0].startswith(f"/training{at(second)}")
    assert (second.user, second.diagnosis) == (trainee.user, ended.diagnosis)
    session = TrainerSession.objects.get(simulation=second)
    assert session.instructor == instructor.user
    assert session.template is not None
    instructor.post(f"/scenarios/{session.template.uuid}/archive")
    assert "Play again" not in trainee.get(at(ended, "/feedback")).content.decode()
    assert "can no longer be played" in trainee.post(at(ended, "/again")).content.decode()
