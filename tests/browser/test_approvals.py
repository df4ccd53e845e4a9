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
from persistence.models.approval import Decision, Hold, HoldState
from persistence.testing import persist
from tests.apps.people import person
from tests.browser.accessible import look_at
from tests.browser.by_keyboard import Keyboard
from tests.browser.chatting import elsewhere
from tests.browser.conftest import PASSWORD
from tests.browser.pictures import picture
from tests.persistence.approval.conftest import one_message
from tests.persistence.approval.test_decisions import rewrites
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateNote

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
LIST = reverse("admin:persistence_hold_changelist")
ITEMS = 50


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


def test_its_pages_can_be_used_by_all(console: Any, live_server: Any, waiting: None) -> None:
    """In light and in dark, on a desk and on a phone."""
    notes(3)
    hold = feedback()
    for name, address in (
        ("approvals", LIST),
        ("approval-item", item(hold)),
        ("approval-edit", item(hold).replace("/change/", "/edit/")),
    ):
        console.goto(f"{live_server.url}{address}")
        look_at(console, name, full_page=True)
    console.get_by_role("button", name="Show what it would write").click()
    console.get_by_role("heading", name="What approving it writes").wait_for()
    look_at(console, "approval-preview", full_page=True)


# --- fifty by keys alone ------------------------------------------------------------------------


class Decider:
    """Somebody at the keyboard, and what became of each item."""

    def __init__(self, page: Any) -> None:
        self.page, self.keys = page, Keyboard(page)
        self.asked_again: list[int] = []

    def hold(self) -> Hold:
        return Hold.objects.get(pk=shown_item(self.page))

    def approve(self, hold: Hold) -> None:
        """Once more where approving it would by now write something else."""
        self.page.evaluate("approval().dataset.seen = 'yes'")
        self.keys.press("a")
        self.page.wait_for_function("!document.getElementById('orca-approval')?.dataset.seen")
        if f"/{hold.pk}/change/" in self.page.url:
            self.page.get_by_text("Nothing was written: since you looked").wait_for()
            self.asked_again.append(hold.pk)
            shown_item(self.page)
            self.keys.press("a")
        wait_for_another(self.page, hold.pk)

    def approve_with_a_note(self, hold: Hold) -> None:
        self.keys.press("n")
        self.keys.write("looked at twice, jkaer?")
        self.keys.press("Enter")
        self.approve(hold)

    def reject(self, hold: Hold) -> None:
        self.keys.press("r")
        self.page.get_by_text("Say why it is rejected").wait_for()
        self.keys.write("not like this")
        self.keys.press("Enter")
        wait_for_another(self.page, hold.pk)

    def edit(self, hold: Hold) -> None:
        self.keys.press("e")
        self.page.wait_for_url("**/edit/**")
        self.keys.fill(self.page.get_by_label("Text", exact=True), f"edited {hold.pk}")
        self.keys.press("Control+Enter")
        self.page.get_by_role("heading", name="What you changed").wait_for()
        shown_item(self.page)
        self.keys.press("Enter")
        wait_for_another(self.page, hold.pk)

    def go_there_and_back(self, hold: Hold) -> None:
        self.keys.press("j")
        wait_for_another(self.page, hold.pk)
        there = shown_item(self.page)
        self.keys.press("k")
        wait_for_another(self.page, there)
        assert shown_item(self.page) == hold.pk


@pytest.mark.long
def test_fifty_are_decided_by_keys_alone(console: Any, live_server: Any, waiting: None) -> None:
    notes(ITEMS)
    decider = Decider(console)
    decider.keys.go("q")
    decider.keys.press("j", "Enter")
    console.wait_for_url("**/change/**")
    does = [decider.approve, decider.reject, decider.edit, decider.approve_with_a_note]
    first = decider.hold()
    decider.go_there_and_back(first)
    order, badge = list(Hold.objects.open().in_order().values_list("pk", flat=True)), console.locator("[data-badge]")
    for number, wanted in enumerate(order):
        hold = decider.hold()
        assert hold.pk == wanted, "the next one is there at once"
        assert badge.inner_text().split()[0] == str(ITEMS - number)
        does[number % len(does)](hold)
    console.wait_for_url(f"**{LIST}")
    console.get_by_text("There is nothing here yet").wait_for()
    as_decided(order, decider)


def as_decided(order: list[int], decider: Decider) -> None:
    """Every item is what the keys said, and its rows are what was shown."""
    wanted = [HoldState.APPROVED, HoldState.REJECTED, HoldState.EDITED, HoldState.APPROVED]
    holds = Hold.objects.in_bulk(order)
    assert [holds[pk].state for pk in order] == [wanted[at % len(wanted)] for at in range(ITEMS)]
    assert decider.asked_again, "what would write something else by now was asked about again"
    by_note = Decision.objects.filter(note="looked at twice, jkaer?").values_list("hold", flat=True)
    assert list(by_note.order_by("pk")) == order[3::4]
    assert set(Decision.objects.filter(kind="reject").values_list("note", flat=True)) == {"not like this"}
    written = {message.content for message in Message.objects.filter(role="assistant")}
    texts = [f"edited {pk}" if at % 4 == 2 else f"note {at}" for at, pk in enumerate(order)]
    assert written == {text for at, text in enumerate(texts) if at % 3 != 2 and at % 4 != 1}


# --- without scripts ----------------------------------------------------------------------------


@pytest.fixture
def scriptless(browser: Any, live_server: Any, root: Any) -> Any:
    """Signed in, in a browser that runs no scripts."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}{LIST}")
    page.get_by_label("Email address").fill(root.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    yield page
    context.close()


def test_the_same_forms_work_without_scripts(scriptless: Any, live_server: Any, waiting: None) -> None:
    notes(4)
    approved, rejected, rewriting, last = Hold.objects.in_order()
    scriptless.goto(f"{live_server.url}{LIST}")
    scriptless.get_by_role("link", name="GenerateNote").first.click()
    assert f"/{approved.pk}/change/" in scriptless.url
    scriptless.get_by_role("button", name="Approve").click()
    assert scriptless.locator("[data-told]").inner_text().startswith("Approved: GenerateNote")
    assert f"/{rejected.pk}/change/" in scriptless.url
    scriptless.get_by_role("button", name="Reject").click()
    assert scriptless.locator("[data-told]").inner_text() == "Say why it is rejected."
    scriptless.get_by_role("textbox", name="Note").fill("not like this")
    scriptless.get_by_role("button", name="Reject").click()
    assert f"/{rewriting.pk}/change/" in scriptless.url
    scriptless.get_by_role("link", name="Edit e").click()
    scriptless.get_by_label("Text", exact=True).fill("by hand")
    scriptless.get_by_role("button", name="Show what it would write").click()
    scriptless.get_by_role("button", name="Approve what is shown").click()
    assert f"/{last.pk}/change/" in scriptless.url
    states = Hold.objects.in_order().values_list("state", flat=True)
    assert list(states) == ["approved", "rejected", "edited", "open"]
    assert set(Message.objects.values_list("content", flat=True)) == {"note 0", "by hand"}
