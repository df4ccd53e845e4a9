"""The editor of a scenario keeps what it is given and says what is wrong; a preview is seen by its author alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.simulation.models import FeedbackStatus, Simulation, SimulationFeedback
from apps.simulation.services.image_upload import read_picture
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.pictures import add_picture
from apps.training.demo.cases import rash_picture
from apps.training.scenario_forms import CaseForms, free_key
from orchestration.testing import drain
from tests.apps.people import person, signed_in
from tests.apps.training.visits import Visitor, scenario_of, shown_sequences, versions

pytestmark = pytest.mark.django_db
FINDINGS = [
    {"kind": "vital", "key": "Heart rate", "value": "128", "unit": "/min", "reference_range": "90-150",
     "flag": "normal"},
    {"kind": "vital", "key": "Blood pressure", "value": "88/54", "unit": "mmHg", "reference_range": "", "flag": "low"},
    {"kind": "lab_result", "key": "C-reactive protein", "value": "84", "unit": "mg/L", "reference_range": "0-5",
     "flag": "high", "aliases": ["CRP", "C reactive protein"]},
    {"kind": "exam", "key": "Abdomen", "value": "Tender on the right", "unit": "", "reference_range": "",
     "flag": "abnormal", "system": "Abdomen"},
    {"kind": "radiology_result", "key": "Ultrasound", "value": "A tube.\nOf 11 mm.", "unit": "",
     "reference_range": "", "flag": "abnormal", "aliases": ["sono"]},
]  # fmt: skip


@pytest.fixture
def instructor() -> Visitor:
    return Visitor(person(UserRole.INSTRUCTOR))


@pytest.fixture
def template(instructor: Visitor) -> ScenarioTemplate:
    return scenario_of(instructor.user, findings=FINDINGS, modifiers=["Is deaf."], accepted_diagnoses=["hemicrania"])


def as_posted(template: ScenarioTemplate, **changes: str) -> dict[str, str]:
    """The fields of the editor as a browser sends them."""
    forms = CaseForms(template)
    posted: dict[str, str] = {}
    for form in (forms.form, forms.vitals, *forms.measured, *forms.imaging):
        for bound in form:
            value = bound.value()
            if value not in (None, False):
                posted[bound.html_name] = "on" if value is True else str(value)
    for formset in (forms.measured, forms.imaging):
        posted |= {bound.html_name: str(bound.value()) for bound in formset.management_form}
    return posted | changes


def test_saving_without_a_change_changes_nothing(instructor: Visitor, template: ScenarioTemplate) -> None:
    before = template.case()
    page = instructor.post(f"/scenarios/{template.uuid}", **as_posted(template))
    assert "has been saved" in page.content.decode()
    template.refresh_from_db()
    assert template.case() == before
    assert template.findings[0]["reference_range"] == "90-150", "a child's range stays"


def test_every_part_of_a_case_can_be_written(instructor: Visitor) -> None:
    new = ScenarioTemplate(owner=instructor.user)
    fields = as_posted(
        new,
        title="Üble Sache, sehr übel!",
        sim_patient_full_name="Paul Weber",
        diagnosis="pneumonia",
        patient_age="70",
        patient_sex="male",
        patient_occupation="baker",
        setting="Surgery, Monday",
        task="Find out.",
        accepted_diagnoses="lung infection\n\nCAP",
        treatment_points="antibiotics",
        criteria="Asks about smoking\nListens to the lungs",
        **{"vitals-temp": "39,2 °C", "vitals-spo2": "91", "findings-0-key": "CRP", "findings-0-value": "180",
           "findings-0-aliases": "c reactive protein; CRP test, CRP test", "imaging-0-key": "X-ray",
           "imaging-0-value": "Shadow\nbelow"},
    )  # fmt: skip
    saved = instructor.post("/scenarios/new", **fields)
    assert "has been saved" in saved.content.decode()
    made = ScenarioTemplate.objects.get()
    assert (made.key, made.patient_age, made.patient_sex) == ("uble-sache-sehr-ubel", 70, "male")
    assert made.accepted_diagnoses == ["lung infection", "CAP"]
    assert made.criteria == ["Asks about smoking", "Listens to the lungs"]
    assert [(row["key"], row["value"], row["flag"]) for row in made.findings] == [
        ("Oxygen saturation", "91", "low"),
        ("Temperature", "39.2", "high"),
        ("CRP", "180", "normal"),
        ("X-ray", "Shadow\r\nbelow".replace("\r", ""), "normal"),
    ]
    assert made.findings[2]["aliases"] == ["c reactive protein", "CRP test"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vitals-bp": "high"}, "Blood pressure is written as 120/80."),
        ({"vitals-hr": "1000"}, "Heart rate is written as"),
        ({"findings-0-value": ""}, "A finding needs both a name and a value."),
        ({"findings-0-aliases": ",".join("abcdefghijklmnopqrstuvwxyz")}, "at most 20 other names"),
        ({"findings-0-key": "Ultrasound"}, "More than one finding has the key ultrasound."),
        ({"treatment_points": "\n".join(map(str, range(21)))}, "at most 20"),
        ({"key": "with blanks"}, "letters, digits, hyphens"),
        ({"key": "taken"}, "Another scenario has this short name."),
        ({"patient_age": "200"}, "120"),
        ({"title": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_saved(
    instructor: Visitor, template: ScenarioTemplate, changes: dict[str, str], told: str
) -> None:
    scenario_of(person(UserRole.INSTRUCTOR), key="taken")
    before = template.case()
    place = f"/training/scenarios/{template.uuid}"
    page = instructor.client.post(place, as_posted(template, **{**changes, "summary": "Kept."}))
    html = page.content.decode()
    assert (page.status_code, told in html) == (422, True), html[:0]
    assert "Not saved." in html
    assert "Kept." in html, "what was typed is still there"
    template.refresh_from_db()
    assert template.case() == before


def test_a_made_key_is_free() -> None:
    author = person(UserRole.INSTRUCTOR)
    for key in ("cough", "cough-2"):
        scenario_of(author, key=key)
    assert free_key("cough") == "cough-3"
    assert len(free_key("x" * 80)) <= 64


def test_a_copy_belongs_to_who_made_it(instructor: Visitor, template: ScenarioTemplate) -> None:
    upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
    add_picture(template, read_picture(upload), "A rash")
    other = Visitor(person(UserRole.INSTRUCTOR))
    page = other.post(f"/scenarios/{template.uuid}/copy")
    copy = ScenarioTemplate.objects.get(owner=other.user)
    assert page.redirect_chain[-1][0] == f"/training/scenarios/{copy.uuid}"
    assert copy.case() == template.case()
    assert (copy.title, copy.key, copy.is_open) == ("Headache (copy)", "headache-2", False)
    original = template.images.get()
    original.delete()
    assert copy.images.get().file.storage.exists(copy.images.get().file.name)
    assert Visitor(person()).post(f"/scenarios/{template.uuid}/copy").status_code == 404


def test_a_preview_talks_and_is_seen_by_its_author_alone(instructor: Visitor, template: ScenarioTemplate) -> None:
    page = instructor.post(f"/scenarios/{template.uuid}", **as_posted(template, preview="1", title="Headache, again"))
    preview = Simulation.objects.get()
    assert page.redirect_chain[-1][0] == f"/training/scenarios/{template.uuid}?preview={preview.uuid}#preview"
    assert preview.is_preview
    assert preview.time_limit is None
    html = page.content.decode()
    drain()
    news = instructor.live(f"/simulations/{preview.uuid}/preview", 0, versions(html))
    assert shown_sequences(news) == [1]
    instructor.send(f"/simulations/{preview.uuid}/say", content="When did it begin?", client_id="p1")
    drain()
    assert Message.objects.filter(simulation=preview).count() == 3

    for place in ("/board", "/simulations"):
        assert "Rosa Kern" not in instructor.get(place).content.decode().replace("Headache", ""), place
    assert signed_in(instructor.user).get("/simulations").json()["items"] == []
    other = Visitor(person(UserRole.INSTRUCTOR))
    assert other.get(f"/simulations/{preview.uuid}/preview/live").status_code == 404
    foreign = other.client.get(f"/training/scenarios/{template.uuid}", {"preview": str(preview.uuid)})
    assert foreign.status_code == 404

    instructor.post(f"/scenarios/{template.uuid}", **as_posted(template, preview="1"))
    preview.refresh_from_db()
    assert preview.has_ended, "one at a time"
    drain()
    assert preview.feedback_status == FeedbackStatus.NONE
    assert not SimulationFeedback.objects.exists()


def test_a_preview_needs_a_valid_case(instructor: Visitor, template: ScenarioTemplate) -> None:
    place = f"/training/scenarios/{template.uuid}"
    answer: Any = instructor.client.post(place, as_posted(template, preview="1", diagnosis=""))
    assert answer.status_code == 422
    assert not Simulation.objects.exists()
    assert instructor.get(f"/scenarios/{template.uuid}", preview="nonsense").status_code == 200
