"""Operations on the selected calls and on all that match: chosen, forecast, confirmed, steered, each with its right."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orchestration.models import ServiceCallRecord
from persistence.admin.bulk_runs import in_words
from persistence.bulk.worker import work
from persistence.models import BulkRun, BulkState
from tests.orchestration.factories import failed, queued, running
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def act(client: Client, action: str, *calls: ServiceCallRecord, everything: str = "", **more: Any) -> Any:
    """Choose an action for these calls, or with a query string for all that match it."""
    data = {"action": action, "_selected_action": [call.pk for call in calls], **more}
    if everything:
        data |= {"select_across": "1", "_selected_action": ["any"]}
    return client.post(f"{LIST}{everything}", data, follow=True)


def run_page(run: BulkRun) -> str:
    return reverse("admin:persistence_bulkrun_change", args=(run.pk,))


def steer(client: Client, run: BulkRun, verb: str, **data: str) -> Any:
    return client.post(reverse("admin:persistence_run_steer", args=(run.pk, verb)), data, follow=True)


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def buttons(response: Any) -> list[str]:
    """By which a run is steered."""
    return re.findall(r"<button[^>]*> ?(Resume|Pause|Abort) ?</button>", html(response))


def test_all_that_match_are_frozen_forecast_confirmed_and_done(root: Client) -> None:
    failed(), failed(error_code="rate_limited")
    running()
    page = html(act(root, "retry_selected", everything="?status__exact=failed"))
    run = BulkRun.objects.get()
    failed()
    assert (run.total, run.state, run.kind) == (2, BulkState.DRAFT, "retry")
    assert str(run).endswith(" of 2 calls")
    assert str(BulkRun(kind="retry", total=12345)).endswith(" of 12,345 calls")
    assert run.filter == {"all that match": {"status__exact": "failed"}}
    assert "<strong>2 calls</strong> will be queued again" in page
    page = html(steer(root, run, "start", reason="back again"))
    assert "<strong>0 of 2</strong> calls: queued" in page
    work(run.pk)
    page = html(root.get(reverse("admin:persistence_run_progress", args=(run.pk,))))
    assert "<strong>2 of 2</strong> calls: done" in page
    assert "every 1s" not in page
    assert LogEntry.objects.filter(change_message__contains="back again").count() == 3, "two calls and the run"


def test_a_running_page_reloads_only_when_its_buttons_change(root: Client) -> None:
    failed()
    act(root, "retry_selected", everything="?status__exact=failed")
    run = BulkRun.objects.get()
    steer(root, run, "start")
    shown = re.search(r'hx-get="([^"]+shown=[^"]+)"', root.get(run_page(run)).content.decode())
    assert shown
    polled = unescape(shown[1])
    assert "HX-Refresh" not in root.get(polled).headers
    BulkRun.objects.update(state=BulkState.RUNNING)
    assert "HX-Refresh" not in root.get(polled).headers, "a click on Abort at this moment would be lost"
    BulkRun.objects.update(state=BulkState.PAUSED)
    assert root.get(polled).headers["HX-Refresh"] == "true"
    BulkRun.objects.update(state=BulkState.DONE)
    assert root.get(polled).headers["HX-Refresh"] == "true"


def test_the_page_of_a_draft_shows_counts_and_reads_no_calls(root: Client) -> None:
    """The counts are those of the moment when it was frozen."""
    act(root, "persist_selected", memo("a"), memo("b"), running(), confirmed="yes", policy="keep")
    run = BulkRun.objects.get()
    ServiceCallRecord.objects.all().delete()
    root.get(run_page(run))
    with CaptureQueriesContext(connection) as captured:
        page = html(root.get(run_page(run)))
    assert "<strong>2 calls</strong> will have their stored" in page
    assert "<strong>1 call</strong> will be left" in page
    assert f'Frozen and counted <time class="orca-ago orca-nowrap" datetime="{run.created_at.isoformat()}' in page
    statements = [query["sql"] for query in captured]
    assert len(statements) == 6, "session, user, the run itself, a sample, troubles, the badge of approvals"
    assert not [sql for sql in statements if "service_call_record" in sql]


def test_a_filter_that_matches_nothing_does_nothing_and_says_so(root: Client) -> None:
    queued()
    page = html(act(root, "retry_selected", everything="?status__exact=failed"))
    assert "Nothing matches now; nothing was done." in page
    assert not BulkRun.objects.exists()


def test_a_bulk_rerun_is_confirmed_and_counts_what_it_leaves(root: Client) -> None:
    """The reason is shown."""
    calls = [memo("a"), memo("b"), running()]
    page = html(act(root, "replay_selected", *calls))
    assert "3 selected rows." in page
    assert "Temperature" in page
    assert not BulkRun.objects.exists()
    page = html(act(root, "replay_selected", *calls, confirmed="yes", temperature="9"))
    assert "less than or equal to 2" in page
    page = html(act(root, "replay_selected", *calls, confirmed="yes", model="gpt-4o", temperature="0.2"))
    assert "<strong>2 calls</strong> will be asked again" in page
    assert "1: running; it has no answer of its own yet" in page
    assert "Nothing will be persisted: the new answers are kept to be compared" in page
    run = BulkRun.objects.get()
    assert run.options == {"model": "gpt-4o", "temperature": 0.2}
    steer(root, run, "start")
    work(run.pk)
    made = ServiceCallRecord.objects.filter(parent__isnull=False)
    assert made.count() == 2
    assert all(call.result_stays for call in made)
    page = html(root.get(run_page(run)))
    assert "Left alone, failed or changed" in page
    assert "it has no answer of its own yet" in page
    items = html(root.get(reverse("admin:persistence_bulkitem_changelist"), {"run__id__exact": run.pk}))
    assert items.count("asked again") >= 2


def test_a_bulk_dry_run_keeps_counts_and_persisting_them_does_it(root: Client) -> None:
    calls = [memo("a"), memo("b")]
    act(root, "preview_selected", *calls, confirmed="yes", policy="keep")
    preview = BulkRun.objects.get()
    steer(root, preview, "start")
    work(preview.pk)
    assert not Message.objects.exists()
    act(root, "persist_selected", *calls, confirmed="yes", policy="keep")
    run = BulkRun.objects.latest("pk")
    steer(root, run, "start")
    work(run.pk)
    assert Message.objects.count() == 2


def test_a_run_is_paused_resumed_and_aborted_for_good(root: Client) -> None:
    memo("a")
    act(root, "persist_selected", everything="?x", confirmed="yes", policy="keep")
    act(root, "persist_selected", *ServiceCallRecord.objects.all(), confirmed="yes", policy="keep")
    run = BulkRun.objects.latest("pk")
    assert "Discard the list" in html(root.get(run_page(run)))
    steer(root, run, "start")
    assert buttons(steer(root, run, "pause")) == ["Resume", "Abort"]
    assert buttons(steer(root, run, "start")) == ["Pause", "Abort"]
    steer(root, run, "abort")
    assert "cannot become queued" in html(steer(root, run, "start"))
    run.refresh_from_db()
    assert (run.state, work(run.pk), Message.objects.count()) == (BulkState.ABORTED, 0, 0)
    assert root.get(reverse("admin:persistence_run_steer", args=(run.pk, "abort"))).status_code == 405
    assert steer(root, run, "explode").status_code == 404


@pytest.mark.parametrize("verb", ["replay", "persist", "preview", "revert", "export"])
def test_each_operation_has_a_permission_of_its_own(staff: Callable[..., Client], verb: str) -> None:
    others = {"replay", "persist", "preview", "revert", "export"} - {verb}
    call = memo("a")
    client = staff("view_servicecallrecord", *(f"{other}_servicecallrecord" for other in others))
    page = html(client.get(LIST))
    assert f'value="{verb}_selected"' not in page
    assert [other for other in others if f'value="{other}_selected"' not in page] == []
    act(client, f"{verb}_selected", call, confirmed="yes", policy="keep")
    assert not BulkRun.objects.exists()


def test_a_run_is_shown_to_who_asked_and_to_who_may_view_all(staff: Callable[..., Client], root: Client) -> None:
    failed()
    ann, bob = staff("view_servicecallrecord", "retry_servicecallrecord"), staff("view_servicecallrecord")
    act(ann, "retry_selected", everything="?status__exact=failed")
    run = BulkRun.objects.get()
    viewer = staff("view_bulkrun")
    assert [client.get(run_page(run)).status_code for client in (ann, bob, viewer, root)] == [200, 302, 200, 200]
    assert bob.get(reverse("admin:persistence_run_progress", args=(run.pk,))).status_code == 404
    assert steer(bob, run, "start").status_code == 404
    assert steer(viewer, run, "start").status_code == 403, "seeing is not steering"


def test_lists_of_runs_parts_and_wakes_open(root: Client) -> None:
    act(root, "retry_selected", failed(), everything="?status__exact=failed")
    for name in ("bulkrun", "bulkitem", "persistedpart", "drainwake", "persistencedeath"):
        assert root.get(reverse(f"admin:persistence_{name}_changelist")).status_code == 200, name


def test_options_and_sizes_are_in_words(root: Client) -> None:
    options = {"policy": "keep", "force": False}
    run = BulkRun.objects.create(kind="revert", state=BulkState.DONE, total=12345, options=options)
    page = html(root.get(run_page(run)))
    assert "<dd> policy: keep </dd>" in page
    assert "<dd> 12,345 </dd>" in page
    assert "12,345" in html(root.get(reverse("admin:persistence_bulkrun_changelist")))
    assert in_words(options | {"force": True}) == "policy: keep, force"
