"""Held results in a real browser: fifty are decided on by keys alone; the pages look as they should, in pictures, too;
and the same forms work without scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from apps.chatlab.services.replies import post_message
from apps.simulation.orca.services import GenerateHotwashInitialResponse
from apps.simulation.services.lifecycle import end_simulation, start_simulation
from orchestration.components import Approval
from orchestration.testing import drain
from persistence.models.approval import Hold
from persistence.testing import persist
from tests.apps.people import person
from tests.browser.chatting import elsewhere
from tests.browser.pictures import picture
from tests.persistence.approval.conftest import one_message
from tests.persistence.approval.test_decisions import rewrites
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateNote

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
LIST = reverse("admin:persistence_hold_changelist")


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every note, and all feedback, waits for a person."""
    soon = Approval(always=True, deadline=timedelta(hours=4), at_deadline="reject")  # type: ignore[arg-type]
    monkeypatch.setattr(GenerateNote, "approval", Approval(changes=True, always=True))
    monkeypatch.setattr(GenerateHotwashInitialResponse, "approval", soon)


def item(hold: Hold) -> str:
    return reverse("admin:persistence_hold_change", args=(hold.pk,))


def feedback() -> Hold:
    """On a conversation that was just ended."""

    def talk() -> None:
        simulation = start_simulation(person(), sim_patient_full_name="Maria Alvarez")
        post_message(simulation.pk, simulation.user, "Where does it hurt, and since when? Any allergies?")
        drain()
        post_message(simulation.pk, simulation.user, "I think it is appendicitis. We will operate today.")
        drain()
        end_simulation(simulation)
        drain()

    elsewhere(talk)
    return Hold.objects.get(service_identity=str(GenerateHotwashInitialResponse.identity))


def notes(count: int) -> list[str]:
    """The calls of so many notes; every third would rewrite a message."""
    there = Message.objects.create(role="there", content="as it was")
    made = [note(rewrites(there) if at % 3 == 2 else one_message, data={"text": f"note {at}"}) for at in range(count)]
    for record in made:
        persist(record)
    return [record.pk for record in made]


def shown_item(page: Any) -> int:
    """Which item is shown, once its keys do something."""
    page.wait_for_function("performance.now() - shownAt > SETTLED && !isBusy")
    return int(page.locator("#orca-approval").get_attribute("data-hold"))


def wait_for_another(page: Any, hold: int) -> None:
    shown = "document.getElementById('orca-approval')?.dataset.hold"
    page.wait_for_function(f"{shown} !== '{hold}'")


def test_an_approval_is_shown_with_its_rows(console: Any, live_server: Any, waiting: None) -> None:
    notes(2)
    console.goto(f"{live_server.url}{item(feedback())}")
    console.get_by_role("heading", name="What approving it writes").wait_for()
    picture(console, "approval")
    console.keyboard.press("?")
    assert console.get_by_role("dialog", name="Keys").get_by_text("approve what is shown").is_visible()
    console.keyboard.press("Escape")
    shown_item(console)
    console.keyboard.press("e")
    console.get_by_role("button", name="Add to Rubric").click()
    console.wait_for_function("document.activeElement.id.startsWith('answer/rubric/')")
    shown_item(console)
    console.keyboard.press("Control+Enter")
    console.wait_for_function("document.activeElement.getAttribute('aria-invalid') === 'true'")
