"""Who sees which page, in how many queries; scenarios, assignments and invitations by forms; accounts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.accounts.models.invitations import Invitation
from apps.accounts.models.roles import UserRole
from apps.accounts.services.sign_in import GUESSES
from apps.chatlab.models import Message
from apps.simulation.models import Simulation, SimulationStatus
from apps.trainerlab.models import Assignment, ScenarioTemplate
from apps.training.demo.cases import rash_picture
from tests.apps.letters import write_letters
from tests.apps.people import PASSWORD, person
from tests.apps.training.visits import Visitor, begun, scenario_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def instructor() -> Visitor:
    return Visitor(person(UserRole.INSTRUCTOR))


@pytest.fixture
def trainee() -> Visitor:
    return Visitor(person())


def queries(visit: Callable[[], Any]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert visit().status_code == 200
    return len(captured)


def test_everybody_lands_where_they_belong(trainee: Visitor, instructor: Visitor) -> None:
    assert Client().get("/").url == "/accounts/sign-in"
    assert trainee.client.get("/", follow=True).redirect_chain[-1][0] == "/training/simulations"
    assert instructor.client.get("/", follow=True).redirect_chain[-1][0] == "/training/board"
    releasing = Visitor(person(UserRole.INSTRUCTOR, is_staff=True))
    assert releasing.client.get("/", follow=True).redirect_chain[-1][0] == "/training/board"
    operator = Visitor(person(UserRole.ADMIN, is_staff=True, is_superuser=True))
    assert operator.client.get("/").url == "/admin/"
    assert Client().get("/admin/").url.startswith("/admin/login/")


def test_what_is_not_yours_is_not_there(trainee: Visitor, instructor: Visitor) -> None:
    template = scenario_of(instructor.user, is_open=False)
    simulation = begun(template, person())
    one = f"/simulations/{simulation.uuid}"
    for place in ("", "/live", "/feedback", "/debrief", "/watch", "/watch/live"):
        assert trainee.get(one + place).status_code == 404, place
    for place in ("/say", "/order", "/end", "/notes", "/commands/pause", "/feedback/ask", "/retry-opening"):
        assert trainee.send(one + place, content="x", text="x", question="x").status_code == 404, place
    for place in ("/board", "/scenarios", "/scenarios/new", "/assignments", "/invitations"):
        assert trainee.get(place).status_code == 404, place
    assert trainee.send(f"/scenarios/{template.uuid}/start").status_code == 404
    assert trainee.send("/assignments/1/start").status_code == 404
    assert instructor.get(one).status_code == 200  # may read
    assert instructor.send(f"{one}/say", content="x").status_code == 404  # but not speak
    foreign = Visitor(person(UserRole.INSTRUCTOR))
    assert foreign.get(f"/scenarios/{template.uuid}").status_code == 404
    page = trainee.get("/simulations").content.decode()
    assert template.diagnosis not in page


def test_before_the_end_a_trainee_is_not_told_the_diagnosis(trainee: Visitor, instructor: Visitor) -> None:
    simulation = begun(scenario_of(instructor.user), trainee.user)
    assert trainee.get(f"/simulations/{simulation.uuid}/debrief").url == f"/training/simulations/{simulation.uuid}"
    pages = [trainee.get(f"/simulations/{simulation.uuid}{place}") for place in ("", "/live")]
    assert [page.request["PATH_INFO"] for page in pages if simulation.diagnosis in page.content.decode()] == []
    assert simulation.diagnosis in instructor.get(f"/simulations/{simulation.uuid}/watch").content.decode()


def test_lists_cost_the_same_however_long_they_are(trainee: Visitor, instructor: Visitor) -> None:
    template = scenario_of(instructor.user)
    simulation = begun(template, trainee.user)
    trainee.get(f"/simulations/{simulation.uuid}")  # now it is read
    places = {
        trainee: ["/simulations", f"/simulations/{simulation.uuid}"],
        instructor: ["/board", f"/simulations/{simulation.uuid}/watch", f"/simulations/{simulation.uuid}/debrief",
                     "/assignments", "/scenarios"],
    }  # fmt: skip
    before = {place: queries(partial(who.get, place)) for who, paths in places.items() for place in paths}
    for number in range(12):
        Message.objects.create(
            simulation=simulation, sequence=100 + number, role="user", sender=trainee.user, content="x"
        )
        other = Simulation.objects.create(user=trainee.user, sim_patient_full_name="X", status=SimulationStatus.RUNNING)
        Assignment.objects.create(template=template, trainee=trainee.user, simulation=other)
    after = {place: queries(partial(who.get, place)) for who, paths in places.items() for place in paths}
    assert after == before
    assert max(after.values()) <= 20, after


def test_history_turns_its_pages(trainee: Visitor) -> None:
    from_old = [
        Simulation.objects.create(user=trainee.user, sim_patient_full_name=f"Nr {number:02}") for number in range(25)
    ]
    for simulation in from_old:
        simulation.end()
    first = trainee.get("/simulations").content.decode()
    assert re.findall(r">Nr (\d\d)<", first) == [f"{number:02}" for number in range(24, 4, -1)]
    older = re.search(r"\?before=([0-9a-f-]{36})", first)[1]
    assert re.findall(r">Nr (\d\d)<", trainee.get("/simulations", before=older).content.decode()) == [
        "04", "03", "02", "01", "00",
    ]  # fmt: skip
    assert trainee.get("/simulations", before="nonsense").status_code == 404


SCENARIO = {
    "title": "Cough",
    "key": "cough",
    "sim_patient_full_name": "Paul Weber",
    "diagnosis": "pneumonia",
    "chief_complaint": "a cough",
    "scenario": "Paul is 70.",
    "minutes": "20",
    "modifiers": "Is hard of hearing.\n\nIs tired.",
    "findings-TOTAL_FORMS": "1",
    "findings-INITIAL_FORMS": "0",
    "findings-0-kind": "lab_result",
    "findings-0-flag": "normal",
    "imaging-TOTAL_FORMS": "1",
    "imaging-INITIAL_FORMS": "0",
    "imaging-0-kind": "radiology_result",
    "imaging-0-key": "Chest X-ray",
    "imaging-0-value": "Shadow on the right",
    "imaging-0-flag": "abnormal",
}


def test_a_scenario_is_written_exported_imported_and_archived(instructor: Visitor) -> None:
    wrong = instructor.client.post("/training/scenarios/new", {**SCENARIO, "findings-0-key": "CRP", "title": ""})
    assert wrong.status_code == 422
    assert "A finding needs both" in wrong.content.decode()
    saved = instructor.post("/scenarios/new", **SCENARIO)
    assert "Cough has been saved" in saved.content.decode()
    scenario = ScenarioTemplate.objects.get(owner=instructor.user)
    assert scenario.modifiers == ["Is hard of hearing.", "Is tired."]
    assert [finding["key"] for finding in scenario.findings] == ["Chest X-ray"]
    assert scenario.time_limit.total_seconds() == 20 * 60
    page = instructor.get(f"/scenarios/{scenario.uuid}").content.decode()
    assert "Shadow on the right" in page
    changed = {**SCENARIO, "title": "Cough and fever", "minutes": "", "imaging-0-key": "", "imaging-0-value": ""}
    instructor.post(f"/scenarios/{scenario.uuid}", **changed)
    scenario.refresh_from_db()
    assert (scenario.title, scenario.findings, scenario.time_limit) == ("Cough and fever", [], None)

    upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
    added = instructor.post(f"/scenarios/{scenario.uuid}/pictures", picture=upload, description="A shadow")
    source = re.search(r'src="(/training/scenarios/[^"]+)"', added.content.decode())[1]
    assert instructor.client.get(source)["Content-Type"] == "image/png"
    assert Visitor(person()).client.get(source).status_code == 404
    script = SimpleUploadedFile("x.svg", b"<svg onload='alert(1)'/>", content_type="image/svg+xml")
    wrong = instructor.post(f"/scenarios/{scenario.uuid}/pictures", picture=script, description="x")
    assert "not a PNG, JPEG or WebP" in wrong.content.decode()

    exported = instructor.client.get("/api/v1/scenarios/export").json()
    exported["scenarios"][0]["title"] = "Cough again"
    upload = SimpleUploadedFile("scenarios.json", json.dumps(exported).encode())
    assert "0 created, 1 changed" in instructor.post("/scenarios/import", file=upload).content.decode()
    broken = SimpleUploadedFile("scenarios.json", b'{"scenarios": [{"key": "x"}]}')
    assert (
        "Nothing was imported. The file at scenarios.0."
        in instructor.post("/scenarios/import", file=broken).content.decode()
    )
    assert "Nothing was imported." in instructor.post("/scenarios/import").content.decode()
    assert "Archived" in instructor.post(f"/scenarios/{scenario.uuid}/archive").content.decode()


def test_an_assignment_is_given_started_once_and_withdrawn(instructor: Visitor, trainee: Visitor) -> None:
    template = scenario_of(instructor.user, is_open=False)
    other = person()
    fields = {"template": template.pk, "trainees": [trainee.user.pk, other.pk], "message": "Good luck."}
    assert "has been assigned to" in instructor.post("/assignments", **fields).content.decode()
    assert "already has an open assignment" in instructor.post("/assignments", **fields).content.decode()
    mine = trainee.get("/simulations").content.decode()
    assert "Good luck." in mine
    assignment = Assignment.objects.get(trainee=trainee.user)
    pages = [trainee.post(f"/assignments/{assignment.pk}/start") for _ in range(2)]
    assert len({page.redirect_chain[-1][0] for page in pages}) == 1
    taken = Assignment.objects.get(trainee=other)
    instructor.post(f"/assignments/{taken.pk}/withdraw")
    assert "already been started" in instructor.post(f"/assignments/{assignment.pk}/withdraw").content.decode()
    assert "withdrawn" in Visitor(other).post(f"/assignments/{taken.pk}/start").content.decode()


def test_somebody_is_invited_claims_once_and_is_signed_in(instructor: Visitor) -> None:
    asked = {"email": "new.person@example.com", "role": "trainee"}
    assert "has been sent" in instructor.post("/invitations", **asked).content.decode()
    assert "open invitation" in instructor.client.post("/training/invitations", asked).content.decode()
    assert instructor.client.post("/training/invitations", {**asked, "role": "admin"}).status_code == 422
    invitation = Invitation.objects.get()
    instructor.post(f"/invitations/{invitation.pk}/resend")
    first, second = (re.search(r"http://testserver(/accounts/claim/\S+)", letter.body)[1] for letter in mail.outbox)
    visitor = Client()
    assert "Check the link" in visitor.get(first, follow=True).content.decode()
    page = visitor.get(second, follow=True)
    assert page.redirect_chain[-1][0] == "/accounts/claim"  # the token is no longer in an address
    names = {"first_name": "Nia", "last_name": "New"}
    weak = visitor.post("/accounts/claim", {**names, "new_password1": "12345", "new_password2": "12345"})
    assert weak.status_code == 422
    strong = {**names, "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert visitor.post("/accounts/claim", strong, follow=True).redirect_chain[-1][0] == "/training/simulations"
    assert User.objects.get(email=asked["email"]).get_full_name() == "Nia New"
    again = Client()
    refused = again.get(second, follow=True)
    assert (refused.status_code, "already been used" in refused.content.decode()) == (410, True)
    assert "deactivate the account" in instructor.post(f"/invitations/{invitation.pk}/revoke").content.decode()


def test_a_forgotten_password_is_reset_by_a_letter() -> None:
    user = person()
    visitor = Client()
    for email in (user.email, "nobody@example.com"):
        page = visitor.post("/accounts/forgotten", {"email": email}, follow=True)
        assert "Check your email" in page.content.decode()
    write_letters()
    (letter,) = mail.outbox
    link = re.search(r"http://testserver(/accounts/new-password/\S+)", letter.body)[1]
    form = visitor.get(link, follow=True)
    new = {"new_password1": "another-long-secret", "new_password2": "another-long-secret"}
    assert "Your password has been set" in visitor.post(form.redirect_chain[-1][0], new, follow=True).content.decode()
    assert "no longer works" in Client().get(link, follow=True).content.decode()
    signed = visitor.post("/accounts/sign-in", {"username": user.email, "password": "another-long-secret"}, follow=True)
    assert signed.redirect_chain[-1][0] == "/training/simulations"


@pytest.mark.parametrize("page", ["/accounts/sign-in", "/admin/login/"])
def test_guessing_at_a_password_is_slowed_down(page: str) -> None:
    user = person(UserRole.ADMIN, is_staff=True, is_superuser=True)
    visitor = Client()
    wrong = {"username": user.email, "password": "guess"}
    pages = [visitor.post(page, wrong).content.decode() for _ in range(GUESSES.limit + 1)]
    assert "email or the password is wrong" in pages[0]
    assert "Too many attempts" in pages[-1]
    right = visitor.post(page, {"username": user.email, "password": PASSWORD})
    assert "Too many attempts" in right.content.decode()


def test_the_console_opens_for_operators_only() -> None:
    operator, trainee = person(UserRole.ADMIN, is_staff=True, is_superuser=True), person()
    for user, status in ((trainee, 200), (operator, 302)):
        answer = Client().post("/admin/login/?next=/admin/", {"username": user.email, "password": PASSWORD})
        assert answer.status_code == status
