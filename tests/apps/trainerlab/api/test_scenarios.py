"""Scenarios: written, ported, assigned, started; trainees are not told what is to be found."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.simulation.models import Simulation
from apps.simulation.services.image_upload import read_picture
from apps.trainerlab.models import Assignment, ScenarioTemplate, TrainerSession
from apps.trainerlab.services.archive import import_archive
from apps.trainerlab.services.import_export import as_input
from apps.trainerlab.services.pictures import add_picture
from apps.training.demo.cases import rash_picture
from config.http import upload_limits
from tests.apps.people import API, Caller, person, signed_in, with_key
from tests.apps.trainerlab.cases import POTASSIUM, SCENARIO, new_scenario, played

pytestmark = pytest.mark.django_db
SECRETS = (
    *("diagnosis", "accepted_diagnoses", "treatment_points", "criteria"),
    *("scenario", "instructions", "modifiers", "findings", "owner"),
)


@pytest.fixture
def author() -> Caller:
    return signed_in(person(UserRole.INSTRUCTOR))


def put(caller: Caller, path: str, body: Any) -> Any:
    return caller.client.put(f"{API}{path}", body, "application/json", headers=caller.headers)


def test_a_scenario_is_its_owners_to_write_and_for_all_to_read(author: Caller) -> None:
    """Its owner writes, changes and archives it; colleagues read it."""
    scenario = new_scenario(author)
    path = f"/scenarios/{scenario['id']}"
    assert scenario["findings"][0]["value"] == "6.2"
    assert scenario["time_limit_minutes"] == 20
    assert author.post("/scenarios", SCENARIO).json()["code"] == "key_taken"

    colleague = signed_in(person(UserRole.INSTRUCTOR))
    assert colleague.get(path).json()["diagnosis"] == "acute appendicitis"
    assert put(colleague, path, {**SCENARIO, "title": "Mine now"}).status_code == 403
    assert put(author, path, {**SCENARIO, "title": "Better", "time_limit_minutes": None}).json()["title"] == "Better"
    new_scenario(author, key="other")
    assert put(author, path, {**SCENARIO, "key": "other"}).json()["code"] == "key_taken"
    assert author.post(f"{path}/archive", {"archived": True}).json()["archived"] is True
    assert author.post(f"{path}/start").status_code == 404
    assert author.post(f"{path}/archive", {"archived": False}).json()["archived"] is False
    assert author.post(f"{path}/start").status_code == 202


def test_a_trainee_sees_open_scenarios_without_spoilers(author: Caller) -> None:
    """A trainee may not write any."""
    closed = new_scenario(author)
    shown = new_scenario(author, key="open", is_open=True)
    trainee = signed_in(person())
    listed = trainee.get("/scenarios").json()["items"]
    assert [item["key"] for item in listed] == ["open"]
    assert {name: listed[0][name] for name in SECRETS} == dict.fromkeys(SECRETS)
    assert trainee.get(f"/scenarios/{closed['id']}").status_code == 404
    assert trainee.post(f"/scenarios/{closed['id']}/start").status_code == 404
    assert trainee.get(f"/scenarios/{shown['id']}").json()["diagnosis"] is None
    for answer in (
        trainee.post("/scenarios", SCENARIO),
        trainee.get("/scenarios/export"),
        put(trainee, f"/scenarios/{shown['id']}", SCENARIO),
        trainee.post(f"/scenarios/{shown['id']}/archive", {"archived": True}),
        trainee.post("/assignments", {"scenario": shown["id"], "trainee": "x@example.com"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    simulation = played(trainee, f"/scenarios/{shown['id']}/start")
    assert (simulation.diagnosis, simulation.time_limit) == ("acute appendicitis", timedelta(minutes=20))
    assert simulation.findings == [POTASSIUM]
    ScenarioTemplate.objects.update(diagnosis="changed later")
    simulation.refresh_from_db()
    assert simulation.diagnosis == "acute appendicitis"


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "has space"},
        {"key": ""},
        {"title": ""},
        {"diagnosis": ""},
        {"findings": [{"kind": "lab_result"}]},
        {"findings": [POTASSIUM, {**POTASSIUM, "key": "POTASSIUM"}]},
        {"findings": [{**POTASSIUM, "flag": "blinking"}]},
        {"modifiers": ["two\nlines"]},
        {"modifiers": ["x"] * 21},
        {"time_limit_minutes": 0},
        {"owner": 1},
    ],
)
def test_a_bad_scenario_is_refused_with_the_place(author: Caller, changes: dict[str, Any]) -> None:
    answer = author.post("/scenarios", {**SCENARIO, **changes})
    assert answer.status_code == 422, answer.content
    assert answer.json()["details"][0]["path"].startswith("body")
    assert not ScenarioTemplate.objects.exists()


def test_what_is_exported_can_be_imported_all_or_nothing(author: Caller) -> None:
    new_scenario(author)
    new_scenario(author, key="second", findings=[])
    file = author.get("/scenarios/export").json()
    assert author.post("/scenarios/import", file).json() == {"created": 0, "updated": 0, "unchanged": 2}
    file["scenarios"][0]["title"] = "Renamed"
    file["scenarios"].append({**SCENARIO, "key": "third"})
    assert author.post("/scenarios/import", file).json() == {"created": 1, "updated": 1, "unchanged": 1}
    assert author.get("/scenarios/export").json()["scenarios"] == file["scenarios"]

    colleague = signed_in(person(UserRole.INSTRUCTOR))
    file["scenarios"].insert(0, {**SCENARIO, "key": "a-fourth"})
    refused = colleague.post("/scenarios/import", file)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_yours")
    assert "second" in refused.json()["message"]
    assert not ScenarioTemplate.objects.filter(key="a-fourth").exists()
    doubled = {"scenarios": [SCENARIO, SCENARIO]}
    assert author.post("/scenarios/import", doubled).status_code == 422


def test_an_assignment_is_started_once_by_its_trainee(author: Caller) -> None:
    scenario, trainee = new_scenario(author), person()
    body = {"scenario": scenario["id"], "trainee": trainee.email.upper(), "message": "Good luck."}
    assigned = author.post("/assignments", body)
    assert assigned.status_code == 201, assigned.content
    assert author.post("/assignments", body).json()["code"] == "already_assigned"
    unknown = author.post("/assignments", {**body, "trainee": "nobody@example.com"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_trainee")

    caller = signed_in(trainee)
    listed = caller.get("/assignments", open=True).json()["items"]
    assert [(item["title"], item["message"]) for item in listed] == [(SCENARIO["title"], "Good luck.")]
    path = f"/assignments/{assigned.json()['id']}/start"
    assert signed_in(person()).post(path).status_code == 404
    assert author.post(path).status_code == 404, "an instructor does not play it for them"
    simulation = played(caller, path)
    assert caller.post(path).json()["id"] == str(simulation.uuid)
    assert Simulation.objects.count() == 1
    session = TrainerSession.objects.get()
    assert (session.template.key, session.instructor.role) == ("appendicitis-1", UserRole.INSTRUCTOR)
    assert caller.get("/assignments", open=True).json()["items"] == []
    assert author.post(f"/assignments/{assigned.json()['id']}/withdraw").json()["code"] == "assignment_started"


def test_a_withdrawn_assignment_cannot_start_and_can_be_replaced(author: Caller) -> None:
    scenario, trainee = new_scenario(author), person()
    body = {"scenario": scenario["id"], "trainee": trainee.email}
    first = author.post("/assignments", body).json()["id"]
    for _ in range(2):
        assert author.post(f"/assignments/{first}/withdraw").status_code == 200
    refused = signed_in(trainee).post(f"/assignments/{first}/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "assignment_withdrawn")
    assert author.post("/assignments", body).status_code == 201
    assert author.post("/assignments/999999/withdraw").status_code == 404


def test_pictures_of_a_scenario_are_hidden_in_its_simulations(author: Caller, settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    scenario = new_scenario(author)
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "PNG")
    file = SimpleUploadedFile("x.png", target.getvalue(), "image/png")
    path = f"{API}/scenarios/{scenario['id']}/images"
    assert author.client.post(path, {"file": file, "description": "rash"}, headers=author.headers).status_code == 201
    bad = SimpleUploadedFile("x.png", b"<svg>", "image/png")
    assert author.client.post(path, {"file": bad}, headers=author.headers).status_code == 415
    simulation = played(author, f"/scenarios/{scenario['id']}/start")
    image = simulation.images.get()
    assert (image.description, image.revealed_at) == ("rash", None)
    shown = author.get(f"/simulations/{simulation.uuid}/images").json()[0]
    assert author.client.get(shown["url"]).status_code == 200


def test_a_scenario_is_exported_with_its_pictures(author: Caller, settings: Any, tmp_path: Path) -> None:
    """For authors; without the file of a picture it says what helps."""
    settings.MEDIA_ROOT = tmp_path
    scenario = new_scenario(author, is_open=True)
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "PNG")
    upload = SimpleUploadedFile("x.png", target.getvalue(), "image/png")
    template = ScenarioTemplate.objects.get()
    add_picture(template, read_picture(upload), "rash")
    path = f"/scenarios/{scenario['id']}/export"
    answer = author.get(path)
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == 'attachment; filename="appendicitis-1.zip"'
    content = io.BytesIO(b"".join(answer.streaming_content))
    assert zipfile.ZipFile(content).namelist() == ["pictures/appendicitis-1/1.png", "scenarios.json"]
    ScenarioTemplate.objects.all().delete()
    assert import_archive(content, User.objects.get(email=scenario["owner"])).created == 1
    restored = ScenarioTemplate.objects.get()
    assert as_input(restored) == as_input(template)
    assert author.get(path).status_code == 404
    trainee = signed_in(person()).get(path)
    assert (trainee.status_code, trainee.json()["code"]) == (403, "missing_scope")
    default_storage.delete(restored.images.get().file.name)
    gone = author.get(f"/scenarios/{restored.uuid}/export")
    assert (gone.status_code, gone.json()["code"]) == (409, "picture_gone")


def test_an_archive_is_imported_with_its_pictures(author: Caller, settings: Any, tmp_path: Path) -> None:
    """What is exported comes back; what no export makes is refused with the reason, and nothing is changed."""
    settings.MEDIA_ROOT = tmp_path
    scenario = new_scenario(author)
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "PNG")
    picture = read_picture(SimpleUploadedFile("x.png", target.getvalue(), "image/png"))
    add_picture(ScenarioTemplate.objects.get(), picture, "rash")
    content = b"".join(author.get(f"/scenarios/{scenario['id']}/export").streaming_content)
    ScenarioTemplate.objects.all().delete()

    def send(name: str, data: bytes) -> Any:
        file = SimpleUploadedFile(name, data, "application/zip")
        return author.client.post("/api/v1/scenarios/import-archive", {"file": file}, headers=author.headers)

    assert send("x.zip", content).json() == {"created": 1, "updated": 0, "unchanged": 0}
    assert ScenarioTemplate.objects.get().images.get().description == "rash"
    broken = send("x.zip", content[:-30])
    assert (broken.status_code, broken.json()["code"]) == (409, "archive_refused")
    assert ScenarioTemplate.objects.count() == 1


@pytest.mark.parametrize("auth", ["session", "key"])
def test_an_archive_may_be_larger_than_other_uploads(
    auth: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a session or a key, and with an idempotency key: whatever looks at the request first leaves the form alone,
    until it is known that this person may import. Without the token nothing is read at all."""
    settings.MEDIA_ROOT = tmp_path
    user = person(UserRole.INSTRUCTOR)
    author = signed_in(user) if auth == "session" else with_key(user, "training:read", "training:write")
    new_scenario(signed_in(user))
    picture = read_picture(SimpleUploadedFile("x.png", rash_picture(), "image/png"))
    add_picture(ScenarioTemplate.objects.get(), picture, "rash")
    exported = f"/scenarios/{ScenarioTemplate.objects.get().uuid}/export"
    content = b"".join(author.get(exported).streaming_content)  # type: ignore[attr-defined]
    monkeypatch.setattr(upload_limits, "MAX_UPLOAD_BYTES", len(content) // 2)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(content) // 2

    def send(**headers: str) -> Any:
        form = {"file": SimpleUploadedFile("x.zip", content, "application/zip")}
        return author.client.post(f"{API}/scenarios/import-archive", form, headers=author.headers | headers)

    ScenarioTemplate.objects.all().delete()
    assert send().json() == {"created": 1, "updated": 0, "unchanged": 0}
    repeated = [send(**{"Idempotency-Key": "once"}) for _ in range(2)]
    assert [answer.status_code for answer in repeated] == [200, 200]
    assert repeated[1]["Idempotent-Replayed"] == "true"
    if auth == "session":
        assert send(**{"X-CSRFToken": "wrong"}).json()["code"] == "csrf_failed"


def test_lists_are_paged_and_have_a_fixed_cost(author: Caller) -> None:
    trainees = [person() for _ in range(5)]
    for number in range(5):
        scenario = new_scenario(author, key=f"case-{number}")
        body = {"scenario": scenario["id"], "trainee": trainees[number].email}
        assert author.post("/assignments", body).status_code == 201
    for path in ("/scenarios", "/assignments"):
        seen, query = [], {"limit": 2}
        while query:
            page = author.get(path, **query).json()
            seen += [item["id"] for item in page["items"]]
            query = {"limit": 2, "after": page["next"]} if page["next"] else {}
        assert len(seen) == len(set(seen)) == 5
        counts = []
        for limit in (1, 5):
            with CaptureQueriesContext(connection) as queries:
                assert author.get(path, limit=limit).status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 5
    assert author.get("/scenarios", after="00000000-0000-4000-8000-000000000000").status_code == 422
    assert Assignment.objects.open().count() == 5
