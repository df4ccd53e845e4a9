"""The training platform in the admin: every list at a fixed price, scenarios ported, invitations sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tablib
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.models.invitations import Invitation
from apps.accounts.models.roles import UserRole
from apps.simulation.models import FeedbackQuestion, Simulation, SimulationEvent, SimulationImage
from apps.trainerlab.admin.import_export import ScenarioTemplateResource
from apps.trainerlab.models import (
    Assignment,
    InstructorNote,
    ScenarioImage,
    ScenarioTemplate,
    SessionEvent,
    TrainerSession,
)
from apps.trainerlab.services.commands import add_note, inject_event
from apps.trainerlab.services.scenarios import assign, start_assignment
from tests.apps.people import PASSWORD, person
from tests.apps.trainerlab.cases import POTASSIUM

pytestmark = pytest.mark.django_db
LISTS = [
    Invitation,
    FeedbackQuestion,
    SimulationEvent,
    SimulationImage,
    ScenarioTemplate,
    Assignment,
    TrainerSession,
    SessionEvent,
    InstructorNote,
]
IMAGE = {"file": "x.png", "content_type": "image/png", "width": 1, "height": 1, "size": 1, "checksum": "0" * 64}
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root@example.com", PASSWORD)


@pytest.fixture
def console(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def one_of_everything(root: User, number: int) -> Simulation:
    template = ScenarioTemplate.objects.create(
        key=f"case-{number}", title=MARKUP, sim_patient_full_name="Maria", diagnosis="x", owner=root
    )
    ScenarioImage.objects.create(template=template, **IMAGE)
    simulation = start_assignment(assign(template, person(), root).pk)
    inject_event(simulation.pk, root, "k", MARKUP)
    add_note(simulation.pk, root, MARKUP)
    FeedbackQuestion.objects.create(simulation=simulation, asked_by=root, question=MARKUP)
    Invitation.objects.create(
        email=f"p{number}@example.com", token_hash=f"{number}", invited_by=root, expires_at="2030-01-01T00:00Z"
    )
    return simulation


def page(model: Any, kind: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


def test_every_list_has_a_fixed_cost_and_escapes_its_text(console: Client, root: User) -> None:
    one_of_everything(root, 0)
    for model in LISTS:
        console.get(page(model, "changelist"))
    costs = {}
    for number in range(2):
        for model in LISTS:
            with CaptureQueriesContext(connection) as queries:
                answer = console.get(page(model, "changelist"))
            assert answer.status_code == 200, model
            assert MARKUP not in answer.content.decode(), model
            assert costs.setdefault(model, len(queries)) == len(queries) <= 12, model
        for more in range(3):
            one_of_everything(root, 10 * number + more + 1)


def test_every_detail_page_opens_and_records_cannot_be_changed(console: Client, root: User) -> None:
    one_of_everything(root, 0)
    for model in LISTS:
        row = model.objects.first()
        answer = console.get(page(model, "change", row.pk))
        assert answer.status_code == 200, model
        assert MARKUP not in answer.content.decode(), model
        if model is not ScenarioTemplate:
            assert console.post(page(model, "change", row.pk), {}).status_code == 403, model
            assert console.get(page(model, "delete", row.pk)).status_code == 403, model


def test_correcting_a_case_touches_nothing_else(console: Client, root: User) -> None:
    simulation = one_of_everything(root, 0)
    form = {
        "sim_patient_full_name": "Maria B.",
        "diagnosis": "y",
        "chief_complaint": "",
        "modifiers": "[]",
        "findings": json.dumps([POTASSIUM]),
        "metadata-TOTAL_FORMS": 0,
        "metadata-INITIAL_FORMS": 0,
    }
    url = page(Simulation, "change", simulation.pk)
    bad = console.post(url, {**form, "findings": '[{"kind": "smell"}]'})
    assert bad.status_code == 200
    assert "findings" in bad.context["adminform"].form.errors
    before = Simulation.objects.get(pk=simulation.pk)
    assert console.post(url, form).status_code == 302
    after = Simulation.objects.get(pk=simulation.pk)
    assert (after.diagnosis, after.findings) == ("y", [POTASSIUM])
    assert (after.next_event, after.next_sequence, after.status) == (
        before.next_event + 1,  # the checksum over no metadata is told once
        before.next_sequence,
        before.status,
    )


def test_scenarios_are_exported_and_imported_by_key(console: Client, root: User) -> None:
    ScenarioTemplate.objects.create(
        key="one", title="One", sim_patient_full_name="Maria", diagnosis="x", findings=[POTASSIUM]
    )
    for kind in ("import", "export"):
        assert console.get(page(ScenarioTemplate, kind)).status_code == 200
    written = ScenarioTemplateResource().export().export("csv")
    file = tablib.Dataset().load(
        written.replace("One", "Renamed") + written.splitlines()[1].replace("one", "two"), "csv"
    )
    assert len(file) == 2
    done = ScenarioTemplateResource().import_data(file, user=root)
    assert not done.has_errors(), [(e.error) for _, es in done.row_errors() for e in es]
    assert not done.has_validation_errors()
    rows = {row.key: (row.title, row.findings, row.owner) for row in ScenarioTemplate.objects.all()}
    assert rows == {"one": ("Renamed", [POTASSIUM], None), "two": ("One", [POTASSIUM], root)}
    again = ScenarioTemplateResource().import_data(file, user=root)
    assert again.totals["skip"] == 2

    bad = tablib.Dataset().load(written.replace("critical", "blinking").replace("one", "three"), "csv")
    assert ScenarioTemplateResource().import_data(bad, user=root).has_validation_errors()
    assert not ScenarioTemplate.objects.filter(key="three").exists()


def test_scenarios_are_archived_and_brought_back(console: Client, root: User) -> None:
    one_of_everything(root, 0)
    selected = {"_selected_action": [ScenarioTemplate.objects.get().pk]}
    console.post(page(ScenarioTemplate, "changelist"), {"action": "archive_selected", **selected})
    assert not ScenarioTemplate.objects.usable().exists()
    console.post(page(ScenarioTemplate, "changelist"), {"action": "restore_selected", **selected})
    assert ScenarioTemplate.objects.usable().exists()


def test_an_invitation_is_sent_again_and_revoked(console: Client) -> None:
    add = page(Invitation, "add")
    assert console.post(add, {"email": "New@Example.com", "role": UserRole.STAFF}).status_code == 302
    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.role, len(mail.outbox)) == ("new@example.com", UserRole.STAFF, 1)
    refused = console.post(add, {"email": "new@example.com", "role": UserRole.STAFF}, follow=True)
    assert "already has an open invitation" in refused.content.decode()

    selected = {"_selected_action": [invitation.pk]}
    console.post(page(Invitation, "changelist"), {"action": "resend_selected", **selected})
    assert len(mail.outbox) == 2
    console.post(page(Invitation, "changelist"), {"action": "revoke_selected", **selected})
    answer = console.post(page(Invitation, "changelist"), {"action": "resend_selected", **selected}, follow=True)
    assert "was revoked" in answer.content.decode()
    detail = console.get(page(Invitation, "change", invitation.pk)).content.decode()
    assert invitation.token_hash not in detail
    assert "Revoked" in detail
