"""What the console is for, done by somebody who has never seen it: ten results died; find out why, mend the cause by
editing a prompt text or with a mended handler, look before, do it, stop it halfway, compare, export, and see it all
in the history."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse

from apps.accounts.models import User
from orchestration.engine.rollup import roll_up
from orchestration.engine.submit import CallSpec, submit
from orchestration.models import PromptText, ServiceCallRecord
from orchestration.prompt_texts import forget_texts
from orchestration.providers.faults import Fault
from orchestration.providers.simulator import scripted
from orchestration.testing import run_due_calls
from persistence.bulk_work import Hold, work
from persistence.models import BulkRun, BulkState
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import CONDUCT, GenerateNote

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SCREENSHOTS")
LIST = reverse("admin:orchestration_servicecallrecord_changelist")
PACE = {"seconds": 0.0}
"""How long a worker rests before each item of a bulk run, so that there is time to abort it."""


def strict(handler: Any, response: Any) -> Message:
    """As it was deployed: it takes no shouting."""
    text = response.structured_data["text"]
    if text.isupper():
        raise ValueError("shouting")
    return Message.objects.create(role="note", content=text)


def mended(handler: Any, response: Any) -> Message:
    """As it is deployed later."""
    return Message.objects.create(role="note", content=response.structured_data["text"].lower())


@pytest.fixture
def worker(settings: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[None]:
    """Runs what is due in a thread of its own, as a cluster would. The model shouts unless it is told not to."""
    settings.MEDIA_ROOT = tmp_path
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}
    stop = threading.Event()
    goes_on = Hold.goes_on

    def rested(hold: Hold) -> bool:
        time.sleep(PACE["seconds"])
        return goes_on(hold)

    monkeypatch.setattr(Hold, "goes_on", rested)

    def run() -> None:
        while not stop.wait(0.1):
            run_due_calls()
            for key in BulkRun.objects.filter(state=BulkState.QUEUED).values_list("pk", flat=True):
                work(key)
            roll_up()
        connection.close()

    calm = Fault(kind="json", data={"text": "a calm note"}, contains="Do not shout", times=0)
    loud = Fault(kind="json", data={"text": "A LOUD NOTE"}, times=0)
    with scripted(calm, loud):
        thread = threading.Thread(target=run)
        thread.start()
        yield
        stop.set()
        thread.join()
    forget_texts()


@pytest.fixture
def ten_dead(worker: None) -> list[ServiceCallRecord]:
    CONDUCT["strict"] = strict
    for _ in range(10):
        submit(CallSpec(service=GenerateNote, context={"does": "strict"}))
    until(lambda: ServiceCallRecord.objects.dead().count() == 10)
    return list(ServiceCallRecord.objects.all())


def until(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def shot(page: Any, name: str) -> None:
    """With $SCREENSHOTS: in light, in dark, and on a phone."""
    width = page.viewport_size["width"]
    for scheme, size in (("light", width), ("dark", width), ("light", 390)):
        page.evaluate(f"document.documentElement.classList.toggle('dark', {str(scheme == 'dark').lower()})")
        page.set_viewport_size({"width": size, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= size, f"{name} is wider than {size} px"
        if SHOTS:
            page.wait_for_timeout(250)
            page.screenshot(path=str(Path(SHOTS) / f"{name}-{scheme}-{size}.png"), full_page=True)
    page.set_viewport_size({"width": width, "height": 900})


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name)


def choose_all(page: Any, action: str) -> None:
    """Tick everything, say that everything that matches is meant, and run an action."""
    page.locator("#action-toggle").check()
    page.get_by_text("Select all that match").click()
    page.get_by_text("All rows that match the search and the filters are selected.").wait_for()
    page.locator("select[name=action]").select_option(action)
    button(page, "Run").click()


def test_ten_dead_results_are_understood_mended_and_brought_home(
    page: Any, live_server: Any, ten_dead: list[ServiceCallRecord]
) -> None:
    User.objects.create_superuser("root@example.com", "a long password")
    page.goto(f"{live_server.url}{reverse('admin:index')}")
    page.get_by_label("Email address").fill("root@example.com")
    page.get_by_label("Password").fill("a long password")
    button(page, "Log in").click()

    # From the dashboard to the cause.
    page.get_by_role("link", name="ValueError").first.click()
    page.wait_for_url("**dead=**")
    assert page.get_by_text("dead", exact=True).count() == 10
    call = ten_dead[0]
    page.get_by_role("link", name=call.pk[-8:]).click()
    page.get_by_role("heading", name="Attempts").wait_for()
    assert page.get_by_text("A LOUD NOTE").first.is_visible()
    assert page.get_by_text("ValueError", exact=False).first.is_visible()
    shot(page, "call")

    # Look: would it work now? No.
    page.get_by_role("link", name="Dry run, persist again").click()
    page.get_by_text("Nothing of this has happened", exact=False).wait_for()
    assert page.get_by_text("failed", exact=True).first.is_visible()
    assert button(page, "Apply").count() == 0
    page.go_back()

    # Mend the cause: the prompt never said not to shout.
    page.get_by_role("link", name="Edit the instruction of PatientNameSection").click()
    page.get_by_label("Text").fill("{code} Do not shout, {stranger}.")
    page.get_by_label("Note").fill("The model shouted.")
    page.locator("button[name=_save]").click()
    page.get_by_text("There is no {stranger}", exact=False).wait_for()
    page.get_by_label("Text").fill("{code} Do not shout.")
    shot(page, "prompt-text")
    page.locator("button[name=_save]").click()
    page.get_by_role("heading", name="Prompt text").first.wait_for()
    assert PromptText.objects.current().get().version == 1

    # Replay one of them, and lay both side by side.
    page.goto(f"{live_server.url}{reverse('admin:orchestration_servicecallrecord_change', args=(call.pk,))}")
    page.get_by_role("link", name="Replay", exact=False).first.click()
    page.get_by_label("Temperature").fill("0.2")
    page.get_by_label("Reason").fill("the prompt is mended")
    shot(page, "replay")
    button(page, "Replay 1 call").click()
    page.get_by_role("heading", name="Two calls side by side").wait_for()
    page.get_by_text("a calm note").first.wait_for(timeout=30_000)
    until(lambda: Message.objects.count() == 1)
    page.reload()
    assert page.locator("del", has_text="A LOUD NOTE").first.is_visible()
    assert page.locator("ins", has_text="Do not shout.").first.is_visible()
    assert page.get_by_text("seedapp.message created").is_visible()
    shot(page, "compare")

    # The handler is mended, too: look at all ten, then at one field by field, and apply it.
    CONDUCT["strict"] = mended
    page.get_by_role("link", name="Dead letters").first.click()
    page.get_by_role("heading", name="10 dead results in 1 group").wait_for()
    shot(page, "dead-letters")
    button(page, "Dry run of all 10").click()
    page.get_by_text("10 calls will be persisted in transactions", exact=False).wait_for()
    shot(page, "plan")
    button(page, "Dry run 10 calls").click()
    page.get_by_text("10 of 10 done: done").wait_for(timeout=30_000)
    assert Message.objects.count() == 1, "a dry run changes nothing"
    shot(page, "progress")
    page.goto(f"{live_server.url}{reverse('admin:persistence_dead_letters')}")
    page.get_by_role("link", name=f"Dry run of {call.pk}").or_(
        page.get_by_role("link", name="Dry run of").first
    ).first.click()
    page.get_by_text("a loud note").first.wait_for()
    shot(page, "dry-run")
    page.get_by_label("Reason").fill("the handler is mended")
    button(page, "Apply").click()
    page.get_by_text("Persisted: 1 created.").wait_for()
    assert Message.objects.count() == 2

    # The other nine at once, aborted halfway: what is done stays done. Then the rest.
    page.get_by_role("link", name="Dead letters").first.click()
    button(page, "Persist all 9 again").click()
    page.get_by_text("9 calls will have their stored results persisted now", exact=False).wait_for()
    page.get_by_label("Reason").fill("the handler is mended")
    PACE["seconds"] = 1.0
    button(page, "Persist again 9 calls").click()
    until(lambda: Message.objects.count() >= 3)
    button(page, "Abort").click()
    page.get_by_text(": aborted", exact=False).wait_for()
    PACE["seconds"] = 0.0
    done = Message.objects.count() - 2
    assert 1 <= done < 9
    page.goto(f"{live_server.url}{LIST}?domain_persist_state__exact=dead")
    choose_all(page, "persist_selected")
    button(page, "Continue").click()
    left = 9 - done
    until(lambda: ServiceCallRecord.objects.dead().count() <= left)
    page.get_by_label("Reason").fill("the rest")
    page.get_by_role("button", name="Persist again").click()
    page.get_by_text(": done", exact=False).wait_for(timeout=30_000)
    assert ServiceCallRecord.objects.dead().count() == 0
    assert Message.objects.count() == 11, "ten, and the replay's"

    # Take the figures home, and see who did what.
    page.goto(f"{live_server.url}{LIST}")
    choose_all(page, "export_selected")
    page.get_by_label("Format").select_option("csv")
    shot(page, "export")
    button(page, "Continue").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download calls").click()
    assert Path(waiting.value.path()).read_text(encoding="utf-8-sig").count("\n") == 12
    page.goto(f"{live_server.url}{reverse('admin:orchestration_servicecallrecord_history', args=(call.pk,))}")
    page.get_by_text("the prompt is mended", exact=False).first.wait_for()
    told = list(LogEntry.objects.filter(object_id=call.pk).values_list("change_message", flat=True))
    assert any("Replayed as" in entry for entry in told)
    assert LogEntry.objects.filter(change_message__contains="the rest").count() == left + 1
    assert LogEntry.objects.filter(change_message__startswith="Export of 11 calls as csv").exists()
