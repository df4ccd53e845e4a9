"""Nights of somebody on call, played in the console by keys alone: ten causes, a wrong prompt, a dead provider, killed
workers; on a desk and on two smaller screens, all of them with the long tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pydantic import BaseModel

from apps.accounts.models import User
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
from tests.browser.accessible import mouse_only, problems_in_both_themes, wider_than
from tests.browser.by_keyboard import Keyboard
from tests.browser.chatting import SIZES, elsewhere, expect, work
from tests.browser.silence import silent_for, watch_for_silence
from tests.clusters import running_cluster, until
from tests.persistence.results import note
from tests.seedapp.models import Message, Tally
from tests.seedapp.orca.persist.behaviours import CONDUCT, GenerateNote

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]


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
    assert mouse_only(page) == []


@pytest.fixture(params=[1440, 1024, 390])
def keyboard(request: pytest.FixtureRequest, page: Any, live_server: Any, root: User) -> Keyboard:
    """Of somebody who has signed in with it, and sees the overview."""
    own = Keyboard(page)
    own.resize(request.param)
    own.sign_in(live_server.url, root.email)
    return own


def confirm_run(keyboard: Keyboard, reason: str, name: str) -> BulkRun:
    """Start the run on the page of its forecast, and let a worker do it: the page shows its end by itself."""
    page = keyboard.page
    keyboard.skip_menu()
    keyboard.fill(page.get_by_label("Reason"), reason)
    keyboard.enter(page.get_by_role("button", name=name))
    page.get_by_role("button", name="Abort").wait_for()
    run = BulkRun.objects.latest("pk")
    elsewhere(lambda: work_on_run(run.pk))
    page.get_by_text(": done", exact=False).wait_for()
    return run


def run_over(keyboard: Keyboard, rows: int, action: str) -> None:
    """Select the first rows of a list, choose what is done to them, and continue to the forecast."""
    page = keyboard.page
    for number in range(rows):
        keyboard.press("j", "x")
        expect(page.locator("input.action-select:checked")).to_have_count(number + 1)
    keyboard.press("a")
    keyboard.choose(page.locator("select[name=action]"), action)
    keyboard.enter(page.get_by_role("button", name="Run"))
    keyboard.skip_menu()
    keyboard.enter(page.get_by_role("button", name="Continue"))


@pytest.mark.long
def test_ten_causes_are_understood_and_repaired(wrong: set[str], keyboard: Keyboard) -> None:
    """From the overview: each cause says what broke, where, and what helps; then all are persisted."""
    page = keyboard.page
    causes = page.locator("section, div", has_text="Results that cannot be persisted, by cause").last
    for _, said in CAUSES.values():
        expect(causes.get_by_role("row").filter(has_text=said)).to_have_count(1)
    keyboard.go("d")
    page.get_by_role("heading", name="10 dead results in 10 groups").wait_for()
    groups = page.locator("article.orca-card.orca-stack")
    expect(groups).to_have_count(10)
    for number in range(10):
        keyboard.press("j")
        assert groups.nth(number).evaluate("it => it.contains(document.activeElement)"), "j goes from group to group"
        assert "What helps:" in groups.nth(number).inner_text()
        assert groups.nth(number).locator("code").count(), "the line with its source"
    looks_well(page)
    wrong.clear()
    keyboard.go("o")
    keyboard.skip_menu()
    keyboard.enter(page.locator(".orca-tile", has_text="Dead letters").get_by_role("link", name="10"))
    page.wait_for_url("**domain_persist_state__exact=dead")
    run_over(keyboard, 10, "persist_selected")
    confirm_run(keyboard, "the handlers are mended", "Reprocess")
    keyboard.go("o")
    page.get_by_text("No result is dead, and none fails.").wait_for()
    assert set(Message.objects.values_list("role", flat=True)) == set(CAUSES)


@pytest.mark.long
def test_a_provider_that_is_down_is_seen_paused_resumed(settings: Any, node: WorkerNode, keyboard: Keyboard) -> None:
    """Its calls wait behind a pause instead of failing one by one, and run when it is back."""
    settings.ORCHESTRAI = {
        **settings.ORCHESTRAI,
        **{"RETRY_MAX_ATTEMPTS": 1, "CIRCUIT_FAILURES": 2, "CIRCUIT_OPEN_SECONDS": 0.1},
    }
    CONDUCT["night"] = lambda handler, response: Message.objects.create(role="night")
    page = keyboard.page
    box = page.locator("#orca-alerts")
    with scripted(Fault(kind="unavailable", times=0)):
        elsewhere(lambda: ask(3))
        work()
        box.get_by_text("The provider of client default", exact=False).first.wait_for(state="attached")
        keyboard.go("p")
        keyboard.enter(page.get_by_role("link", name="Add", exact=False).first)
        page.wait_for_url("**/pause/add/")
        keyboard.skip_menu()
        keyboard.choose(page.get_by_label("Kind"), "model")
        keyboard.fill(page.get_by_label("Name"), "default/*")
        keyboard.fill(page.get_by_label("Reason"), "the provider is down")
        keyboard.enter(page.locator("button[name=_save]"))
        page.get_by_text("running calls continue.", exact=False).wait_for()
        elsewhere(lambda: ask(2))
        work()
    keyboard.go("h")
    page.get_by_text("the provider is down", exact=False).wait_for()
    looks_well(page)
    assert ServiceCallRecord.objects.queued().count() >= 2
    keyboard.go("p")
    keyboard.press("j", "x", "a")
    keyboard.choose(page.locator("select[name=action]"), "resume_selected")
    keyboard.enter(page.get_by_role("button", name="Run"))
    page.get_by_text("Resumed:", exact=False).wait_for()

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


SEEN_SECONDS = 10


@pytest.mark.cluster
@pytest.mark.long
def test_killed_workers_and_supervisors_are_seen(keyboard: Keyboard, tmp_path: Path) -> None:
    """A worker that is replaced is told and counted, and so is a cluster whose main process is; a node that is gone is
    told on the page that is open, within ten seconds of its last beat."""
    forget_alerts()
    page = keyboard.page
    box = page.locator("#orca-alerts")
    with running_cluster(tmp_path, node="night") as cluster:
        keyboard.go("w")
        row = page.get_by_role("row").filter(has_text="night")
        row.get_by_text("healthy").wait_for()
        expect(box.get_by_text("No worker is alive")).to_have_count(0)
        elsewhere(lambda: submit(CallSpec(service="services.engineapp.default.Triage", context={"ticket": "1"})))
        os.kill(busy_worker(), signal.SIGKILL)
        box.get_by_text("A worker process was killed", exact=False).wait_for(timeout=SEEN_SECONDS * 1000)
        restarts = cluster.row.restarts
        os.kill(cluster.main, signal.SIGKILL)
        box.get_by_text("A cluster of workers was restarted", exact=False).wait_for(timeout=SEEN_SECONDS * 1000)
        expect(box).to_contain_text("night: the cluster's main process ended")
        assert cluster.row.restarts > restarts
        keyboard.go("w")
        expect(row).to_contain_text(str(cluster.row.restarts))
        watch_for_silence(page)
        everybody = cluster.processes()
        cluster.process.kill()
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        assert silent_for(page) <= SEEN_SECONDS
        keyboard.skip_menu()
        keyboard.enter(box.get_by_role("link", name="Start manage.py qcluster"))
        row.get_by_text("silent").wait_for()
    connection.close()


def busy_worker() -> int:
    """The process that runs a call."""
    found: list[str] = []
    running = ServiceCallRecord.objects.running().values_list("worker", flat=True)
    until(lambda: bool(found.extend(running.all()) or found), "a call that runs", 30.0)
    return int(found[0].split(":")[1])


INSTRUCTION = {"section": "prompts.seedcore.default.PatientNameSection", "part": "instruction"}


def write_prompt(text: str) -> PromptText:
    made = PromptText(**INSTRUCTION, text=text)
    elsewhere(made.publish)
    forget_texts()
    return made


@pytest.fixture
def notes() -> Iterator[None]:
    """A model that shouts when its prompt says so, and has to be corrected then; a handler that writes down what it
    says."""
    CONDUCT["night"] = lambda handler, response: Message.objects.create(
        role="note", content=response.structured_data["text"]
    )
    with scripted(
        Fault(kind="json", data={"text": "A LOUD NOTE"}, contains="Your answer does not match", times=0),
        Fault(kind="wrong_shape", contains="Be loud", times=0),
        Fault(kind="json", data={"text": "a calm note"}, times=0),
    ):
        yield
    del CONDUCT["night"]
    forget_texts()


@pytest.mark.long
def test_a_wrong_prompt_is_found_and_its_rows_reverted(notes: None, keyboard: Keyboard) -> None:
    """By the figures of its versions; it is mended, its calls are rerun and compared, and what they wrote goes."""
    page = keyboard.page
    write_prompt("{code} Be calm.")
    elsewhere(lambda: ask(1))
    work()
    write_prompt("{code} Be loud.")
    elsewhere(lambda: ask(3))
    work()
    assert sorted(Message.objects.values_list("content", flat=True)) == ["A LOUD NOTE"] * 3 + ["a calm note"]
    open_versions(keyboard)
    calm, loud = figures_of(page, "Calls made with v1 (1)"), figures_of(page, "Calls made with v2 (3)")
    assert (calm["Ended"], calm["Repaired"], loud["Ended"], loud["Repaired"]) == ("1", "0", "3", "3")
    assert int(loud["Tokens each"]) > int(calm["Tokens each"])
    looks_well(page)
    keyboard.skip_menu()
    keyboard.enter(page.get_by_role("link", name="Edit", exact=True))
    keyboard.skip_menu()
    keyboard.fill(page.get_by_label("Text"), "{code} Be calm.")
    keyboard.fill(page.get_by_label("Note"), "v2 shouts")
    keyboard.enter(page.locator("button[name=_save]"))
    page.get_by_text("is in use from the next prompt on", exact=False).wait_for()
    forget_texts()
    open_calls_of_v2(keyboard)
    run_over(keyboard, 3, "replay_selected")
    page.get_by_text("the new answers are kept to be compared", exact=False).wait_for()
    confirm_run(keyboard, "v2 shouts", "Rerun 3 calls")
    work()
    assert Message.objects.count() == 4, "nothing was persisted again"
    keyboard.skip_menu()
    keyboard.enter(page.get_by_role("link", name="Pairs: old beside new"))
    expect(page.locator("del", has_text="A LOUD NOTE")).to_have_count(3)
    expect(page.locator("ins", has_text="a calm note")).to_have_count(3)
    looks_well(page)
    open_calls_of_v2(keyboard)
    run_over(keyboard, 3, "revert_selected")
    confirm_run(keyboard, "v2 shouts", "Revert 3 calls")
    assert list(Message.objects.values_list("content", flat=True)) == ["a calm note"]


def figures_of(page: Any, version: str) -> dict[str, str]:
    """What the table says of the calls of a version, by the heads of its columns."""
    table = page.get_by_role("region", name="Figures")
    row = table.get_by_role("row").filter(has_text=version)
    row.wait_for()
    heads = table.locator("thead th").all_text_contents()
    return dict(zip(heads[1:], row.locator("td").all_text_contents(), strict=True))


def open_versions(keyboard: Keyboard) -> None:
    """Of the newest prompt text, from anywhere."""
    page = keyboard.page
    keyboard.go("t")
    keyboard.skip_menu()
    keyboard.enter(page.locator("#content").get_by_role("link", name="Prompt texts"))
    page.wait_for_url("**/prompttext/")
    keyboard.press("j")
    keyboard.enter(page.get_by_role("link", name="what changed").first)
    page.get_by_role("heading", name="Versions", exact=True).wait_for()


def open_calls_of_v2(keyboard: Keyboard) -> None:
    open_versions(keyboard)
    keyboard.skip_menu()
    keyboard.enter(keyboard.page.get_by_role("link", name="Calls made with v2", exact=False).first)
    keyboard.page.wait_for_url("**prompt=**")
