"""The briefing says what a trainee may know, and starts nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.accounts.models.roles import UserRole
from apps.simulation.models import Simulation
from apps.trainerlab.services.scenarios import assign, start_assignment, withdraw
from tests.apps.people import person
from tests.apps.training.visits import Visitor, scenario_of

pytestmark = pytest.mark.django_db
SECRET = {"diagnosis": "migraine", "scenario": "It began after a glass of wine.", "instructions": "Is impatient."}
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def trainee() -> Visitor:
    return Visitor(person())


def test_what_is_to_be_found_is_not_in_it(trainee: Visitor) -> None:
    template = scenario_of(
        person(UserRole.INSTRUCTOR),
        **SECRET,
        accepted_diagnoses=["hemicrania"],
        treatment_points=["a triptan"],
        patient_age=41,
        patient_occupation=SCRIPT[:60],
        task="Take the history.",
        time_limit=timedelta(minutes=1),
    )
    shown = trainee.get(f"/scenarios/{template.uuid}/briefing").content.decode()
    assert "41 years" in shown
    assert "Take the history." in shown
    assert "1 minute." in shown
    assert SCRIPT not in shown
    for secret in (*SECRET.values(), "hemicrania", "a triptan", "Sodium"):
        assert secret not in shown, secret
    assert reverse("training:start_scenario", args=(template.uuid,)) in shown
    assert not Simulation.objects.exists()


def test_an_assignment_that_was_begun_or_withdrawn_has_none(trainee: Visitor) -> None:
    instructor = person(UserRole.INSTRUCTOR)
    template = scenario_of(instructor, is_open=False)
    assignment = assign(template, trainee.user, instructor, message=SCRIPT)
    page = f"/assignments/{assignment.pk}/briefing"
    first = trainee.get(page)
    assert first.status_code == 200
    assert SCRIPT not in first.content.decode()
    assert trainee.get(f"/scenarios/{template.uuid}/briefing").status_code == 404
    withdraw(assignment.pk)
    assert trainee.get(page).status_code == 404
    other = assign(template, trainee.user, instructor)
    simulation = start_assignment(other.pk)
    assert trainee.get(f"/assignments/{other.pk}/briefing").url == reverse("training:chat", args=(simulation.uuid,))
    assert Visitor(person()).get(f"/assignments/{other.pk}/briefing").status_code == 404
