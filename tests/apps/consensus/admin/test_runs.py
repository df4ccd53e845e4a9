"""Runs and prompts in the admin."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest
import tablib
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.consensus.admin.import_export import PersonaResource, PromptSetResource
from apps.consensus.errors import PromptsNotUsable
from apps.consensus.models import Persona, PromptSet, Run
from apps.consensus.prompt_sets.install import current_prompt_set
from apps.consensus.receivers import check_prompts_once
from orchestration.access_log import LOOKED
from orchestration.providers.simulator.provider import scripted
from orchestration.signals import tick
from orchestration.testing import drain
from tests.apps.consensus.reviewing import blocking, new_run, says, script
from tests.apps.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client


def page(run: Run, name: str = "change") -> str:
    if name == "change":
        return reverse("admin:consensus_run_change", args=(run.pk,))
    return reverse(f"admin:consensus_run_{name}", args=(run.pk,))


def completed() -> Run:
    guard = says("security_guardian", 0.9, blocking_issues=blocking("Anybody can read it.", critical=True))
    with scripted(*script(security_guardian=guard)):
        run = new_run(person())
        drain()
    run.refresh_from_db()
    return run


def test_the_list_and_the_page_show_the_whole_run(console: Client) -> None:
    """Progress, decision, reviews, the minority report and the calls."""
    run = completed()
    listed = console.get(reverse("admin:consensus_run_changelist")).content.decode()
    assert "7 of 7" in listed
    shown = console.get(page(run)).content.decode()
    for text in ("SecurityGuardian: 0.9", "Minority report: SecurityGuardian", "Anybody can read it.", "revise at 0.9"):
        assert text in shown
    for step in run.steps.exclude(call=None):
        assert reverse("admin:orchestration_servicecallrecord_change", args=(step.call_id,)) in shown


def test_a_run_shows_its_content_to_those_who_may_read_it(client: Client) -> None:
    run = completed()
    operator = person(is_staff=True)
    codenames = ["view_run", "operate_run"]
    operator.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(operator)
    said = (run.input_idea, "Anybody can read it.", "Choir calendar", "Minority report")
    shown = client.get(page(run)).content.decode()
    assert "7 of 7" in shown
    assert "Hidden: reading content needs the permission" in shown
    assert not [text for text in said if text in shown]
    assert run.input_idea not in client.get(reverse("admin:consensus_run_changelist")).content.decode()
    assert client.get(page(run, "revise_one")).status_code == 403
    assert reverse("consensus:run", args=(run.pk,)) not in shown
    assert not LogEntry.objects.exists()

    operator.user_permissions.add(Permission.objects.get(codename="view_content"))
    shown = client.get(page(run)).content.decode()
    assert [text for text in said if text not in shown] == []
    assert LogEntry.objects.get().change_message == f"{LOOKED}."


def test_an_operator_cancels_retries_and_revises(console: Client) -> None:
    run = new_run(person())
    assert console.get(page(run, "cancel_one")).status_code == 200
    assert console.post(page(run, "cancel_one")).status_code == 302
    run.refresh_from_db()
    assert run.status == "cancelled"
    console.post(page(run, "retry_one"))
    with scripted(*script()):
        drain()
    run.refresh_from_db()
    assert run.status == "completed"
    form = console.get(page(run, "revise_one")).context["form"]
    console.post(page(run, "revise_one"), {**form.initial, "title": "Another title"})
    assert Run.objects.get(parent_run=run).edited_proposal == {"title": "Another title"}
    entries = LogEntry.objects.filter(object_id=str(run.pk)).order_by("pk").values_list("change_message", flat=True)
    assert [text.partition(" as ")[0] for text in entries if not text.startswith(LOOKED)] == [
        *("Cancelled.", "Retried.", "Revised"),
    ]


def test_a_revision_that_cannot_begin_says_why(console: Client) -> None:
    run = completed()
    form = console.get(page(run, "revise_one")).context["form"]
    Persona.objects.filter(persona_id="architect").update(weight=Decimal("0.24"))
    answer = console.post(page(run, "revise_one"), {**form.initial, "title": "Another title"})
    assert "total 0.99" in answer.content.decode()
    assert not run.revisions.exists()


def test_selected_runs_are_cancelled_except_those_that_ended(console: Client) -> None:
    done = completed()
    run = new_run(person())
    body = {"action": "cancel_selected", "_selected_action": [str(run.pk), str(done.pk)]}
    answer = console.post(reverse("admin:consensus_run_changelist"), body, follow=True)
    run.refresh_from_db()
    done.refresh_from_db()
    assert (run.status, done.status) == ("cancelled", "completed")
    assert "there is nothing to cancel" in answer.content.decode()


def test_personas_and_prompt_sets_go_out_and_come_in_again(console: Client) -> None:
    current_prompt_set().copy_as("2.0.0")
    exported = PersonaResource().export(Persona.objects.filter(prompt_set__version="2.0.0"))
    rows = [dict(zip(exported.headers, row, strict=True)) for row in exported]
    assert {row["persona_id"]: row["weight"] for row in rows}["architect"] == "0.2500"
    for row in rows:
        row["instruction"] = f"New text of {row['persona_id']}."
    result = PersonaResource().import_data(tablib.Dataset().load(dataset(rows).export("csv"), format="csv"))
    assert not result.has_errors()
    assert Persona.objects.get(prompt_set__version="2.0.0", persona_id="critic").instruction == "New text of critic."
    assert PromptSetResource().export().dict[0]["version"] in {"1.0.0", "2.0.0"}
    for model in ("persona", "promptset"):
        for action in ("changelist", "import", "export"):
            assert console.get(reverse(f"admin:consensus_{model}_{action}")).status_code == 200


def dataset(rows: list[dict]) -> tablib.Dataset:
    made = tablib.Dataset(headers=list(rows[0]))
    made.dict = rows
    return made


@pytest.mark.parametrize("wrong", ["weights", "duplicate", "range", "unknown"])
def test_persona_data_that_makes_no_sense_is_refused_as_a_whole(wrong: str) -> None:
    current_prompt_set().copy_as("2.0.0")
    rows = PersonaResource().export(Persona.objects.filter(prompt_set__version="2.0.0")).dict
    rows[0]["weight"] = {"weights": "0.24", "range": "1.25"}.get(wrong, rows[0]["weight"])
    rows[1]["persona_id"] = {"duplicate": "architect", "unknown": "oracle"}.get(wrong, rows[1]["persona_id"])
    result = PersonaResource().import_data(dataset(rows))
    assert result.has_errors() or result.has_validation_errors()
    assert Persona.objects.get(prompt_set__version="2.0.0", persona_id="architect").weight == Decimal("0.25")
    assert not PromptSet.objects.get(version="2.0.0").faults()


def test_weights_that_do_not_add_up_stop_the_start() -> None:
    """0.99 is found when the process starts, and no run begins."""
    Persona.objects.filter(persona_id="architect").update(weight=Decimal("0.24"))
    found = [message for message in run_checks(databases=["default"]) if message.id == "consensus.E003"]
    assert "total 0.99" in found[0].msg
    with pytest.raises(PromptsNotUsable, match=r"total 0\.99"):
        new_run(person())


def test_a_node_that_starts_says_once_that_no_run_can_begin(caplog: pytest.LogCaptureFixture) -> None:
    Persona.objects.filter(persona_id="architect").update(weight=Decimal("0.24"))
    lifecycle = logging.getLogger("apps.consensus.lifecycle")
    lifecycle.addHandler(caplog.handler)
    check_prompts_once.cache_clear()
    try:
        for _ in range(2):
            tick.send(sender=None)
    finally:
        lifecycle.removeHandler(caplog.handler)
        check_prompts_once.cache_clear()
    (record,) = (record for record in caplog.records if "prompts_not_usable" in record.getMessage())
    assert record.levelno == logging.ERROR
    assert "total 0.99" in record.getMessage()


def test_a_version_that_a_run_used_stays_as_it_is(console: Client) -> None:
    run = new_run(person())
    persona = run.prompt_set.personas.get(persona_id="critic")
    persona.instruction = "Changed."
    with pytest.raises(ValidationError, match="copy it to a new version"):
        persona.save()
    form = reverse("admin:consensus_promptset_change", args=(run.prompt_set_id,))
    assert console.post(form, {"version": "9"}).status_code == 403
    console.post(
        reverse("admin:consensus_promptset_changelist"), {"action": "copy", "_selected_action": [run.prompt_set_id]}
    )
    copied = PromptSet.objects.get(version="1.0.0-copy")
    assert not copied.faults()
    assert console.get(reverse("admin:consensus_promptset_change", args=(copied.pk,))).status_code == 200
