"""Scenarios as files on their pages: by whom, how large, and with the token that a form needs."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.models.roles import UserRole
from apps.simulation.services.image_upload import read_picture
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.pictures import add_picture
from apps.training.demo.cases import rash_picture
from config.http import upload_limits
from tests.apps.people import person
from tests.apps.training.visits import Visitor, scenario_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def instructor() -> Visitor:
    return Visitor(person(UserRole.INSTRUCTOR))


@pytest.fixture
def template(instructor: Visitor) -> ScenarioTemplate:
    template = scenario_of(instructor.user)
    upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
    add_picture(template, read_picture(upload), "A rash")
    return template


def packed(answer: object) -> bytes:
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_one_scenario_or_all_are_exported(instructor: Visitor, template: ScenarioTemplate) -> None:
    scenario_of(person(UserRole.INSTRUCTOR), key="other")
    one = instructor.get(f"/scenarios/{template.uuid}/export")
    assert one["Content-Disposition"] == 'attachment; filename="headache.zip"'
    archive = zipfile.ZipFile(io.BytesIO(packed(one)))
    assert archive.namelist() == ["pictures/headache/1.png", "scenarios.json"]
    everything = zipfile.ZipFile(io.BytesIO(packed(instructor.get("/scenarios/export"))))
    keys = [each["key"] for each in json.loads(everything.read("scenarios.json"))["scenarios"]]
    assert keys == ["headache", "other"]


def test_an_archive_may_be_larger_than_other_uploads(
    instructor: Visitor, template: ScenarioTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed(instructor.get(f"/scenarios/{template.uuid}/export"))
    monkeypatch.setattr(upload_limits, "MAX_UPLOAD_BYTES", len(content) // 2)
    upload = SimpleUploadedFile("headache.zip", content)
    assert "1 changed" in instructor.post("/scenarios/import", file=upload).content.decode()


def test_who_may_not_import_is_refused_before_anything_is_read(template: ScenarioTemplate) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(person(UserRole.INSTRUCTOR))
    answer = strict.post("/training/scenarios/import", {"file": SimpleUploadedFile("x.zip", b"PK")})
    assert (answer.status_code, "out of date" in answer.content.decode()) == (403, True)
    strict.force_login(person())
    assert strict.post("/training/scenarios/import", {"file": SimpleUploadedFile("x.zip", b"PK")}).status_code == 404


def test_a_hostile_archive_is_refused_with_a_sentence(instructor: Visitor) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as written:
        written.writestr("../../settings.py", "x")
    page = instructor.post("/scenarios/import", file=SimpleUploadedFile("x.zip", target.getvalue())).content.decode()
    assert "Nothing was imported. The archive holds a file with the name" in page
    assert not ScenarioTemplate.objects.exists()


def test_pictures_are_moved_and_removed_on_the_page(instructor: Visitor, template: ScenarioTemplate) -> None:
    upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
    add_picture(template, read_picture(upload), "Later on")
    first, second = template.images.all()
    place = f"/scenarios/{template.uuid}/pictures"
    instructor.post(f"{place}/{second.uuid}/move")
    assert [image.description for image in template.images.all()] == ["Later on", "A rash"]
    instructor.post(f"{place}/{second.uuid}/move", later="1")
    page = instructor.post(f"{place}/{first.uuid}/remove").content.decode()
    assert "has been removed" in page
    assert [image.description for image in template.images.all()] == ["Later on"]
    foreign = Visitor(person(UserRole.INSTRUCTOR))
    assert foreign.post(f"{place}/{second.uuid}/remove").status_code == 404
    assert instructor.post(f"{place}/{first.uuid}/move").status_code == 404
