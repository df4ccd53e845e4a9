"""Nights of somebody on call, played in the console: ten causes, a wrong prompt, a dead provider, killed workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from pydantic import BaseModel

from orchestration.clock import database_now
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import PromptText, ServiceCallRecord, WorkerNode
from orchestration.models.prompt_overrides import forget_texts
from orchestration.monitoring.alerts import forget_alerts
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from persistence.bulk.worker import work as work_on_run
from persistence.models import BulkRun
from persistence.testing import persist
from tests.browser.accessible import problems_in_both_themes, wider_than
from tests.browser.chatting import SIZES, elsewhere, expect, work
from tests.clusters import running_cluster, until
from tests.persistence.results import note
from tests.seedapp.models import Message, Tally
from tests.seedapp.orca.persist.behaviours import CONDUCT, GenerateNote

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


class Order(BaseModel):
    size: int


def slow(_: Any) -> Message:
    raise TimeoutError


CAUSES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "null": (lambda _: Message.objects.create(role=None), "seedapp_message.role: not null, got nothing"),
    "duplicate": (lambda _: Tally.objects.create(key="taken"), "duplicate, in seedapp_tally (key)"),
    "missing row": (lambda _: Message.objects.get(role="gone"), "Message.DoesNotExist: missing row"),
    "missing target": (lambda _: Message.objects.create(role="a", simulation_id=404), "IntegrityError: missing row"),
    "choice": (lambda _: ServiceCallRecord.objects.create(status="lost"), "unknown choice, in service_call_record"),
    "schema": (lambda _: Order.model_validate({"size": "x"}), "size: int_parsing, got text of 1 character"),
    "model": (lambda _: Message(role="").full_clean(), "role: blank"),
    "timeout": (slow, "TimeoutError: timeout"),
    "returned": (lambda _: 7, "InvalidReturn: not accepted"),
    "code": (lambda response: response.structured_data["reply"], "KeyError"),
}
"""What a handler does wrong, and what the overview says of it."""


@pytest.fixture
def node() -> Iterator[WorkerNode]:
    """A worker that lives, as far as the console can tell."""
    forget_alerts()
    yield WorkerNode.objects.create(name="node-1", beat_at=database_now() + timedelta(hours=1))
    forget_alerts()


@pytest.fixture
def wrong(settings: Any) -> Iterator[set[str]]:
    """Which of the handlers are still broken; each has a dead result."""
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}
    Tally.objects.create(key="taken")
    broken = set(CAUSES)

    def conduct_of(name: str) -> Callable[..., Any]:
        def conduct(_: Any, response: Any) -> Any:
            return CAUSES[name][0](response) if name in broken else Message.objects.create(role=name)

        conduct.__qualname__ = f"night {name}"
        return conduct

    for name in CAUSES:
        assert persist(note(conduct_of(name))) == "dead", name
    yield broken
    for name in CAUSES:
        del CONDUCT[f"night {name}"]


def looks_well(page: Any) -> None:
    """Nothing keeps anybody from using it, in light and dark, and nothing sticks out at three widths."""
    assert problems_in_both_themes(page) == []
    assert [found for width in SIZES for found in wider_than(page, width)] == []


def keys(page: Any, *pressed: str) -> None:
    for key in pressed:
        page.keyboard.press(key)


def test_ten_causes_are_understood_and_repaired(console: Any, live_server: Any, wrong: set[str]) -> None:
    """From the overview, by keys: each cause says what broke, where, and what helps; then all are persisted."""
    console.reload()
    causes = console.locator("section, div", has_text="Results that cannot be persisted, by cause").last
    for _, said in CAUSES.values():
        expect(causes.get_by_role("row").filter(has_text=said)).to_have_count(1)
    keys(console, "g", "d")
    console.get_by_role("heading", name="10 dead results in 10 groups").wait_for()
    groups = console.locator("article.orca-card.orca-stack")
    expect(groups).to_have_count(10)
    for number in range(10):
        assert "What helps:" in groups.nth(number).inner_text()
        assert groups.nth(number).locator("code").count(), "the line with its source"
    looks_well(console)
    wrong.clear()
    console.goto(f"{live_server.url}{LIST}?domain_persist_state__exact=dead")
    for _ in CAUSES:
        keys(console, "j", "x")
    expect(console.locator("input.action-select:checked")).to_have_count(10)
    console.locator("select[name=action]").select_option("persist_selected")
    for name in ("Run", "Continue"):
        console.get_by_role("button", name=name).press("Enter")
    console.get_by_label("Reason").fill("the handlers are mended")
    console.get_by_role("button", name="Reprocess").press("Enter")
    console.get_by_role("button", name="Abort").wait_for()
    elsewhere(lambda: work_on_run(BulkRun.objects.latest("pk").pk))
    console.get_by_text(": done", exact=False).wait_for()
    keys(console, "g", "o")
    console.get_by_text("No result is dead, and none fails.").wait_for()
    assert set(Message.objects.values_list("role", flat=True)) == set(CAUSES)


def test_a_provider_that_is_down_is_seen_paused_resumed(
    console: Any, live_server: Any, settings: Any, node: WorkerNode
) -> None:
    """Its calls wait behind a pause instead of failing one by one, and run when it is back."""
    settings.ORCHESTRAI = {
        **settings.ORCHESTRAI,
        **{"RETRY_MAX_ATTEMPTS": 1, "CIRCUIT_FAILURES": 2, "CIRCUIT_OPEN_SECONDS": 0.1},
    }
    CONDUCT["night"] = lambda handler, response: Message.objects.create(role="night")
    box = console.locator("#orca-alerts")
    with scripted(Fault(kind="unavailable", times=0)):
        elsewhere(lambda: ask(3))
        work()
        box.get_by_text("The provider of client default", exact=False).first.wait_for()
        keys(console, "g", "p")
        console.get_by_role("link", name="Add", exact=False).first.press("Enter")
        console.get_by_label("Kind").select_option("model")
        console.get_by_label("Name").fill("default/*")
        console.get_by_label("Reason").fill("the provider is down")
        console.locator("button[name=_save]").press("Enter")
        console.get_by_text("running calls continue.", exact=False).wait_for()
        elsewhere(lambda: ask(2))
        work()
    keys(console, "g", "h")
    console.get_by_text("the provider is down", exact=False).wait_for()
    looks_well(console)
    assert ServiceCallRecord.objects.queued().count() >= 2
    keys(console, "g", "p")
    console.locator("input.action-select").first.wait_for(state="attached")
    keys(console, "j", "x")
    console.locator("select[name=action]").select_option("resume_selected")
    console.get_by_role("button", name="Run").press("Enter")
    console.get_by_text("Resumed:", exact=False).wait_for()

    def all_answered() -> bool:
        work()
        return not ServiceCallRecord.objects.queued().exists()

    until(all_answered, "what was queued is answered", 30.0)
    box.get_by_text("The provider of client default", exact=False).first.wait_for(state="detached")
    assert Message.objects.filter(role="night").count() >= 2
    del CONDUCT["night"]


def ask(count: int) -> None:
    for _ in range(count):
        submit(CallSpec(service=GenerateNote, context={"does": "night"}))


@pytest.mark.cluster
@pytest.mark.long
def test_killed_workers_and_supervisors_are_seen(console: Any, live_server: Any, tmp_path: Path) -> None:
    """A worker that is replaced is counted; a node that is gone is told on the page that is open."""
    forget_alerts()
    box = console.locator("#orca-alerts")
    with running_cluster(tmp_path, node="night") as cluster:
        keys(console, "g", "w")
        row = console.get_by_role("row").filter(has_text="night")
        row.get_by_text("healthy").wait_for()
        expect(box.get_by_text("No worker is alive")).to_have_count(0)
        restarts = cluster.row.restarts
        os.kill(cluster.main, signal.SIGKILL)
        until(lambda: cluster.row.restarts > restarts, "the supervisor starts another cluster", 60.0)
        console.reload()
        expect(row).to_contain_text(str(cluster.row.restarts))
        everybody = cluster.processes()
        cluster.process.kill()
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        box.get_by_text("No worker is alive (night silent for", exact=False).wait_for()
        box.get_by_role("link", name="Start manage.py qcluster").press("Enter")
        row.get_by_text("silent").wait_for()
    connection.close()


INSTRUCTION = {"section": "prompts.seedcore.default.PatientNameSection", "part": "instruction"}


def write_prompt(text: str) -> PromptText:
    made = PromptText(**INSTRUCTION, text=text)
    elsewhere(made.publish)
    forget_texts()
    return made


@pytest.fixture
def notes() -> Iterator[None]:
    """A model that shouts when its prompt says so, and a handler that writes down what it says."""
    CONDUCT["night"] = lambda handler, response: Message.objects.create(
        role="note", content=response.structured_data["text"]
    )
    with scripted(
        Fault(kind="json", data={"text": "A LOUD NOTE"}, contains="Be loud", times=0),
        Fault(kind="json", data={"text": "a calm note"}, times=0),
    ):
        yield
    del CONDUCT["night"]
    forget_texts()


def ask_all_selected(page: Any, action: str) -> None:
    """Choose all rows of a list, by keys, and what is done to them, and say so on the pages that follow."""
    for _ in range(3):
        keys(page, "j", "x")
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="Run").press("Enter")


def confirm(page: Any, name: str) -> BulkRun:
    """Start the run on the page of its forecast, and let a worker do it."""
    page.get_by_label("Reason").fill("v2 shouts")
    page.get_by_role("button", name=name).press("Enter")
    page.get_by_role("button", name="Abort").wait_for()
    run = BulkRun.objects.latest("pk")
    elsewhere(lambda: work_on_run(run.pk))
    page.reload()
    return run


def test_a_wrong_prompt_is_found_and_its_rows_reverted(console: Any, live_server: Any, notes: None) -> None:
    """By the number of calls of its version; they are rerun with the one before, compared, and what they wrote goes."""
    write_prompt("{code} Be calm.")
    elsewhere(lambda: ask(1))
    work()
    wrong = write_prompt("{code} Be loud.")
    elsewhere(lambda: ask(3))
    work()
    assert sorted(Message.objects.values_list("content", flat=True)) == ["A LOUD NOTE"] * 3 + ["a calm note"]
    console.goto(f"{live_server.url}{reverse('admin:orchestration_prompttext_versions', args=(wrong.pk,))}")
    console.get_by_role("link", name="Calls made with v1 (1)").wait_for()
    looks_well(console)
    bad = console.get_by_role("link", name="Calls made with v2 (3)")
    listed = str(bad.get_attribute("href"))
    bad.press("Enter")
    console.wait_for_url("**prompt=**")
    write_prompt("{code} Be calm.")
    ask_all_selected(console, "replay_selected")
    console.get_by_role("button", name="Continue").press("Enter")
    console.get_by_text("the new answers are kept to be compared", exact=False).wait_for()
    confirm(console, "Rerun 3 calls")
    work()
    assert Message.objects.count() == 4, "nothing was persisted again"
    console.get_by_role("link", name="Pairs: old beside new").press("Enter")
    expect(console.locator("del", has_text="A LOUD NOTE")).to_have_count(3)
    expect(console.locator("ins", has_text="a calm note")).to_have_count(3)
    looks_well(console)
    console.goto(f"{live_server.url}{listed}")
    ask_all_selected(console, "revert_selected")
    console.get_by_role("button", name="Continue").press("Enter")
    confirm(console, "Revert 3 calls")
    assert list(Message.objects.values_list("content", flat=True)) == ["a calm note"]
