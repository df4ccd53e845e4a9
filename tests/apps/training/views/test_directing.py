"""Watching and directing: vital signs change live, and each part of the page follows."""

from __future__ import annotations

import pytest

from apps.accounts.models.roles import UserRole
from apps.simulation.models import Simulation, SimulationMetadata
from apps.simulation.services.lifecycle import end_simulation
from apps.trainerlab.models import SessionEvent
from orchestration.testing import drain
from tests.apps.people import person
from tests.apps.training.visits import Visitor, begun, elements, scenario_of, versions

pytestmark = pytest.mark.django_db


@pytest.fixture
def instructor() -> Visitor:
    return Visitor(person(UserRole.INSTRUCTOR, first_name="Ines"))


@pytest.fixture
def trainee() -> Visitor:
    return Visitor(person(first_name="Tess"))


@pytest.fixture
def running(instructor: Visitor, trainee: Visitor) -> Simulation:
    return begun(scenario_of(instructor.user), trainee.user)


def at(simulation: Simulation, place: str = "") -> str:
    return f"/simulations/{simulation.uuid}{place}"


def test_vital_signs_are_changed_live_and_bad_ones_say_why(instructor: Visitor, running: Simulation) -> None:
    page = instructor.get(at(running, "/watch")).content.decode()
    sent = instructor.send(at(running, "/commands/vitals"), hr="128", bp=" 88/54 ", command_key="v1")
    assert sent.status_code == 204
    news = instructor.live(at(running, "/watch"), 99, versions(page))
    assert 'id="monitor"' in news
    assert "88/54" in news
    assert "abnormal" in news
    for fields, told in (({"bp": "low"}, "Blood pressure is written as 120/80."), ({}, "at least one value")):
        wrong = instructor.send(at(running, "/commands/vitals"), **fields, command_key="v2")
        assert (wrong.status_code, told in wrong.content.decode()) == (409, True), wrong.content
    assert SessionEvent.objects.get().data == {"hr": "128", "bp": "88/54"}
    assert SimulationMetadata.objects.get(key="Heart rate").value == "128"
    assert Visitor(running.user).send(at(running, "/commands/vitals"), hr="1", command_key="v3").status_code == 404


def test_forms_of_the_composer_are_no_parts_and_have_drafts(instructor: Visitor, running: Simulation) -> None:
    """A refresh must not replace what is half written."""
    html = instructor.get(at(running, "/watch")).content.decode()
    forms = {attributes["data-draft"] for tag, attributes in elements(html) if "data-draft" in attributes}
    assert forms == {f"{name}:{running.uuid}" for name in ("event", "whisper", "note", "finding", "vitals")}
    instructor.send(at(running, "/commands/pause"), command_key="p1")
    news = instructor.live(at(running, "/watch"), 99, versions(html))
    assert "textarea" not in news
    assert ('aria-label="Pause"' in html, 'aria-label="Resume"' in html) == (True, False)
    assert ('aria-label="Pause"' in news, 'aria-label="Resume"' in news) == (False, True)


def test_a_finding_that_is_known_is_not_offered_again(instructor: Visitor, running: Simulation) -> None:
    page = instructor.get(at(running, "/watch")).content.decode()
    assert 'name="prepared" value="Sodium"' in page
    instructor.send(at(running, "/commands/finding"), prepared="Sodium", command_key="f1")
    news = instructor.live(at(running, "/watch"), 99, versions(page))
    assert "All findings of this case have been reported." in news


def test_after_the_end_notes_are_all_that_can_be_added(instructor: Visitor, running: Simulation) -> None:
    page = instructor.get(at(running, "/watch")).content.decode()
    end_simulation(running)
    drain()
    news = instructor.live(at(running, "/watch"), 99, versions(page))
    assert "data-ended" in news
    assert "Debrief" in news
    assert instructor.send(at(running, "/commands/event"), text="Late.", command_key="e1").status_code == 409
    assert instructor.send(at(running, "/notes"), text="Well done.", message_sequence=1).status_code == 204
