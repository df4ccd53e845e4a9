"""What the console is for, done by somebody who has never seen it: ten results died; find out why, mend the cause by
editing a prompt text or with a mended handler, look before, do it, stop it halfway, compare, export, and see it all
in the history. The workers are the real cluster, and the model answers over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from apps.accounts.models import User
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import PromptText, ServiceCallRecord
from orchestration.models.prompt_overrides import forget_texts
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from persistence.models import BulkRun
from tests.browser.accessible import THEMES, problems_in_both_themes, show_in, wider_than
from tests.browser.pictures import picture
from tests.clusters import running_cluster, until
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateNote

pytestmark = [
    pytest.mark.browser,
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(240),
]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")
PATIENCE_MS = 30_000
"""For what a worker does."""


@dataclass(frozen=True)
class Workers:
    """What they are told through files: which version of the handler is deployed, and how long they rest."""

    folder: Path

    def deploy(self, version: str) -> None:
        (self.folder / "deployed").write_text(version)

    def rest(self, seconds: float) -> None:
        """Before each item of a bulk run."""
        (self.folder / "pace").write_text(str(seconds))


@pytest.fixture
def workers(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """The cluster, with a handler that takes no shouting, and a model that shouts unless it is told not to."""
    settings.MEDIA_ROOT = tmp_path
    told = Workers(tmp_path)
    told.deploy("as it was")
    told.rest(0)
    monkeypatch.setenv("SEEDAPP_DEPLOYED", str(tmp_path / "deployed"))
    monkeypatch.setenv("SEEDAPP_PACE", str(tmp_path / "pace"))
    calm = Fault(kind="json", data={"text": "a calm note"}, contains="Do not shout", times=0)
    loud = Fault(kind="json", data={"text": "A LOUD NOTE"}, times=0)
    with SimulatedProviderServer() as provider:
        provider.script([calm, loud])
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", provider.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
        with running_cluster(tmp_path, DOMAIN_PERSIST_MAX_ATTEMPTS=1):
            yield told
    forget_texts()


@pytest.fixture
def ten_dead(workers: Workers) -> list[ServiceCallRecord]:
    for _ in range(10):
        submit(CallSpec(service=GenerateNote, context={"does": "as_deployed"}))
    until(lambda: ServiceCallRecord.objects.dead().count() == 10, "ten dead results")
    return list(ServiceCallRecord.objects.all())


def look_at(page: Any, name: str) -> None:
    """Nothing keeps anybody from using it, in light and in dark, and it fits a phone. With $SCREENSHOTS: pictures."""
    found = problems_in_both_themes(page)
    assert not found, f"{name}: {found}"
    wide = wider_than(page, 390)
    assert not wide, f"{name} is wider than a phone: {wide}"
    for theme in reversed(THEMES):
        show_in(page, theme)
        picture(page, f"{name}-{theme}", full_page=True)


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name)


def choose_all(page: Any, action: str) -> None:
    """Tick everything, say that everything that matches is meant, and run an action."""
    page.locator("#action-toggle").check()
    page.get_by_text("Select all that match").click()
    page.get_by_text("All rows that match the search and the filters are selected.").wait_for()
    page.locator("select[name=action]").select_option(action)
    button(page, "Run").click()


@dataclass(frozen=True)
class Story:
    """The browser of somebody who mends things, and the call that is looked at closely."""

    page: Any
    server: str
    call: ServiceCallRecord

    def open(self, name: str, *args: str) -> None:
        self.page.goto(f"{self.server}{reverse(f'admin:{name}', args=args)}")


def test_ten_dead_results_are_understood_mended_and_brought_home(
    page: Any, live_server: Any, workers: Workers, ten_dead: list[ServiceCallRecord]
) -> None:
    story = Story(page, live_server.url, ten_dead[0])
    sign_in(story)
    find_the_cause(story)
    see_in_a_dry_run_that_it_would_fail_again(story)
    mend_the_prompt(story)
    rerun_the_call(story)
    compare_both_runs(story)
    workers.deploy("mended")
    dry_run_all_ten(story)
    dry_run_one_and_apply_it(story)
    left = reprocess_nine_and_abort_halfway(story, workers)
    reprocess_the_rest(story)
    export_the_calls(story)
    read_who_did_what(story, left)


def sign_in(story: Story) -> None:
    User.objects.create_superuser("root@example.com", "a long password")
    story.open("index")
    story.page.get_by_label("Email address").fill("root@example.com")
    story.page.get_by_label("Password").fill("a long password")
    button(story.page, "Sign in").click()


def find_the_cause(story: Story) -> None:
    """From the dashboard to the page of a call."""
    page = story.page
    page.get_by_role("link", name="ValueError").first.click()
    page.wait_for_url("**dead=**")
    assert page.get_by_text("dead", exact=True).count() == 10
    page.get_by_role("link", name=story.call.pk[-8:]).click()
    page.get_by_role("heading", name="Why it is not persisted").wait_for()
    assert page.get_by_text("ValueError", exact=False).first.is_visible()
    look_at(page, "call-dead")
    page.get_by_role("tab", name="Attempts").click()
    assert page.get_by_text("A LOUD NOTE").first.is_visible()
    look_at(page, "call-attempts")


def see_in_a_dry_run_that_it_would_fail_again(story: Story) -> None:
    page = story.page
    page.get_by_role("link", name="Reprocess", exact=False).click()
    page.get_by_text("Nothing of this has happened", exact=False).wait_for()
    assert page.get_by_text("failed", exact=True).first.is_visible()
    assert button(page, "Apply").count() == 0
    page.go_back()


def mend_the_prompt(story: Story) -> None:
    """It never said not to shout. A text with a value that does not exist is refused."""
    page = story.page
    page.get_by_role("tab", name="Attempts").click()
    page.get_by_role("link", name="Edit the instruction of PatientNameSection").click()
    page.get_by_label("Text").fill("{code} Do not shout, {stranger}.")
    page.get_by_label("Note").fill("The model shouted.")
    page.locator("button[name=_save]").click()
    page.get_by_text("There is no {stranger}", exact=False).wait_for()
    page.get_by_label("Text").fill("{code} Do not shout.")
    look_at(page, "prompt-text")
    page.locator("button[name=_save]").click()
    page.get_by_role("heading", name="Prompt text").first.wait_for()
    assert PromptText.objects.current().get().version == 1


def rerun_the_call(story: Story) -> None:
    page = story.page
    story.open("orchestration_servicecallrecord_change", story.call.pk)
    page.get_by_role("link", name="Rerun", exact=False).first.click()
    page.get_by_label("Temperature").fill("0.2")
    assert not page.get_by_label("Persist the new results, too").is_checked()
    page.get_by_label("Persist the new results, too").check()
    page.get_by_label("Reason").fill("the prompt is mended")
    look_at(page, "rerun")
    button(page, "Rerun 1 call").click()


def compare_both_runs(story: Story) -> None:
    page = story.page
    page.get_by_role("heading", name="Two calls side by side").wait_for()
    page.get_by_text("a calm note").first.wait_for(timeout=PATIENCE_MS)
    until(lambda: Message.objects.count() == 1, "the rerun's note")
    page.reload()
    assert page.locator("del", has_text="A LOUD NOTE").first.is_visible()
    assert page.locator("ins", has_text="Do not shout.").first.is_visible()
    assert page.get_by_text("seedapp.message created").is_visible()
    look_at(page, "compare")


def dry_run_all_ten(story: Story) -> None:
    page = story.page
    page.get_by_role("link", name="Dead letters").first.click()
    page.get_by_role("heading", name="10 dead results in 1 group").wait_for()
    look_at(page, "dead-letters")
    button(page, "Dry run of all 10").click()
    page.get_by_text("10 calls will be persisted in transactions", exact=False).wait_for()
    look_at(page, "plan")
    button(page, "Dry run 10 calls").click()
    page.get_by_text("10 of 10 calls: done").wait_for(timeout=PATIENCE_MS)
    assert Message.objects.count() == 1, "a dry run changes nothing"
    look_at(page, "progress")


def dry_run_one_and_apply_it(story: Story) -> None:
    page = story.page
    story.open("persistence_dead_letters")
    its_own = page.get_by_role("link", name=f"Dry run of {story.call.pk}")
    its_own.or_(page.get_by_role("link", name="Dry run of").first).first.click()
    page.get_by_text("a loud note").first.wait_for()
    look_at(page, "dry-run")
    page.get_by_label("Reason").fill("the handler is mended")
    button(page, "Apply").click()
    page.get_by_text("Persisted: 1 created.").wait_for()
    assert Message.objects.count() == 2


def reprocess_nine_and_abort_halfway(story: Story, workers: Workers) -> int:
    """What is done stays done. How many are left."""
    page = story.page
    page.get_by_role("link", name="Dead letters").first.click()
    button(page, "Reprocess all 9").click()
    page.get_by_text("9 calls will have their stored results persisted now", exact=False).wait_for()
    page.get_by_label("Reason").fill("the handler is mended")
    workers.rest(1)
    button(page, "Reprocess 9 calls").click()
    until(lambda: Message.objects.count() >= 3, "the first of the nine")
    button(page, "Abort").click()
    page.get_by_text(": aborted", exact=False).wait_for()
    until(lambda: BulkRun.objects.latest("pk").leased_until is None, "the worker lets go")
    workers.rest(0)
    left = 9 - (Message.objects.count() - 2)
    assert 1 <= left < 9
    return left


def reprocess_the_rest(story: Story) -> None:
    page = story.page
    page.goto(f"{story.server}{LIST}?domain_persist_state__exact=dead")
    choose_all(page, "persist_selected")
    button(page, "Continue").click()
    page.get_by_label("Reason").fill("the rest")
    button(page, "Reprocess").click()
    page.get_by_text(": done", exact=False).wait_for(timeout=PATIENCE_MS)
    assert ServiceCallRecord.objects.dead().count() == 0
    assert Message.objects.count() == 11, "ten, and the rerun's"


def export_the_calls(story: Story) -> None:
    page = story.page
    page.goto(f"{story.server}{LIST}")
    choose_all(page, "export_selected")
    page.get_by_label("Format").select_option("csv")
    look_at(page, "export")
    button(page, "Continue").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download calls").click()
    assert Path(waiting.value.path()).read_text(encoding="utf-8-sig").count("\n") == 12


def read_who_did_what(story: Story, left: int) -> None:
    """`left` is how many calls the last run reprocessed."""
    story.open("orchestration_servicecallrecord_history", story.call.pk)
    story.page.get_by_text("the prompt is mended", exact=False).first.wait_for()
    of_the_call = LogEntry.objects.filter(object_id=story.call.pk)
    assert of_the_call.filter(change_message__contains="Rerun as").exists()
    assert LogEntry.objects.filter(change_message__contains="the rest").count() == left + 1
    assert LogEntry.objects.filter(change_message__startswith="Export of 11 calls as csv").exists()
