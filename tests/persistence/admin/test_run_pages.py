"""What one does on the pages of a bulk run: schedule it, pace it, look at the rows of a sample, do it again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestration.models import ServiceCallRecord
from orchestration.operations import RETRY
from persistence.bulk.runs import freeze, freeze_rows
from persistence.bulk.selection import ASKED_OVER_REST
from persistence.bulk.worker import work
from persistence.models import BulkRun, BulkState
from persistence.operations import DRY_RUN, REVERT
from persistence.testing import persist
from tests.orchestration.factories import failed
from tests.persistence.admin.test_bulk_runs import act, html, run_page, steer
from tests.persistence.reprocessing.test_reprocess import memo, one_message
from tests.persistence.results import note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def drafted(client: Client) -> BulkRun:
    failed()
    act(client, "retry_selected", everything="?status__exact=failed")
    return BulkRun.objects.get()


def sample_page(run: BulkRun) -> str:
    return reverse("admin:persistence_run_sample", args=(run.pk,))


def post(client: Client, page: str, run: BulkRun) -> str:
    return html(client.post(reverse(f"admin:persistence_{page}", args=(run.pk,)), follow=True))


def test_a_run_is_scheduled_in_the_zone_of_the_page(root: Client) -> None:
    run = drafted(root)
    at = (timezone.localtime() + timedelta(days=1)).replace(second=0, microsecond=0)
    assert f"In the time zone {timezone.get_current_timezone_name()}." in html(root.get(run_page(run)))
    given = {"reason": "tonight", "starts_at": f"{at:%Y-%m-%dT%H:%M}", "at_most": "2", "per": "second"}
    page = html(steer(root, run, "start", **given))
    assert f"Starts by itself at {at:%Y-%m-%d %H:%M:%S}" in page
    assert "at most 2 a second" in page
    run.refresh_from_db()
    assert (run.starts_at, run.per_minute, run.state) == (at, 120, BulkState.DRAFT)
    assert "scheduled" in html(root.get(reverse("admin:persistence_bulkrun_changelist")))
    assert "Starts by itself" not in html(steer(root, run, "unschedule"))
    assert LogEntry.objects.filter(change_message__contains="No longer scheduled").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"starts_at": "2020-01-01T02:00"}, "not in the past"),
        ({"starts_at": "tonight"}, "Start at: Enter a valid date/time."),
        ({"at_most": "0"}, "At most so many calls: Ensure this value is greater than or equal to 1."),
    ],
)
def test_nothing_starts_by_what_is_not_understood(root: Client, given: dict[str, str], said: str) -> None:
    run = drafted(root)
    assert said in html(steer(root, run, "start", **given))
    run.refresh_from_db()
    assert (run.state, run.starts_at, run.per_minute) == (BulkState.DRAFT, None, None)


def test_the_pace_is_set_on_the_page_and_kept_by_resuming(root: Client) -> None:
    run = drafted(root)
    steer(root, run, "start")
    assert "at most 30 a minute" in html(steer(root, run, "pace", at_most="30", per="minute"))
    steer(root, run, "pause")
    steer(root, run, "start")
    run.refresh_from_db()
    assert (run.state, run.per_minute) == (BulkState.QUEUED, 30)
    work(run.pk)
    assert "Change the pace" not in html(root.get(run_page(run)))
    assert "has ended" in html(steer(root, run, "pace", at_most="1"))


def test_a_run_is_repeated_over_what_matches_now(root: Client) -> None:
    run = drafted(root)
    steer(root, run, "start")
    work(run.pk)
    assert "Nothing matches now" in post(root, "run_repeat", run)
    failed(), failed()
    page = post(root, "run_repeat", run)
    made = BulkRun.objects.latest("pk")
    assert "<strong>2 calls</strong> will be queued again" in page
    assert (made.kind, made.state, made.total) == ("retry", BulkState.DRAFT, 2)
    assert (made.filter, made.list_query) == (run.filter, "status__exact=failed")


def test_calls_that_were_ticked_are_repeated_as_they_are(root: Client) -> None:
    calls = [memo("a"), memo("b")]
    memo("other")
    act(root, "preview_selected", *calls, confirmed="yes", policy="keep")
    run = BulkRun.objects.get()
    assert reverse("admin:persistence_run_repeat", args=(run.pk,)) not in html(root.get(run_page(run)))
    steer(root, run, "start")
    work(run.pk)
    post(root, "run_repeat", run)
    made = BulkRun.objects.latest("pk")
    assert (made.total, made.options) == (2, {"policy": "keep"})
    assert made.filter == {"the same calls as": f"run #{run.pk}"}


def test_a_run_that_was_asked_over_rest_is_repeated_here(root: Client) -> None:
    asked = {ASKED_OVER_REST: {"status": "failed"}}
    run = freeze_rows(RETRY.key, ServiceCallRecord.objects.filter(pk=failed().pk), asked=asked)
    BulkRun.objects.update(state=BulkState.ABORTED, finished_at=timezone.now())
    failed()
    assert "<strong>2 calls</strong> will be queued again" in post(root, "run_repeat", run)
    assert BulkRun.objects.latest("pk").filter == asked
    assert "<strong>1 call</strong> will be queued again" in post(root, "run_again", run), "it was not reached"


def test_a_filter_that_the_list_forgot_is_said(root: Client) -> None:
    run = drafted(root)
    BulkRun.objects.update(state=BulkState.DONE, finished_at=timezone.now(), list_query="no_such_column=1")
    assert "no longer has this filter" in post(root, "run_repeat", run)
    assert BulkRun.objects.count() == 1


def test_a_sample_shows_rows_old_beside_new(root: Client) -> None:
    """Nothing of it stays, and that somebody looked does."""
    record = note(one_message)
    persist(record)
    message = Message.objects.get()
    run = freeze(REVERT, {})
    assert sample_page(run) in html(root.get(run_page(run)))
    page = html(root.get(sample_page(run)))
    assert f"<del>{message.content}</del>" in page
    assert Message.objects.count() == 1
    assert LogEntry.objects.filter(object_id=record.pk, change_message__contains="in the sample").exists()


def test_the_rows_of_a_dry_run_can_be_seen_after_it(staff: Callable[..., Client], root: Client) -> None:
    """Without the permission to read content the rows are named, and their values are not shown."""
    memo("a secret text")
    run = freeze(DRY_RUN, {})
    steer(root, run, "start")
    work(run.pk)
    assert "<ins>a secret text</ins>" in html(root.get(sample_page(run)))
    viewer = staff("view_servicecallrecord", "preview_servicecallrecord", "view_bulkrun")
    page = html(viewer.get(sample_page(run)))
    changes = [re.sub(r"<[^>]+>", " ", head).split() for head in re.findall(r"<h3>(.*?)</h3>", page)]
    assert [change[-2] for change in changes] == ["created"], changes
    assert "a secret text" not in page
    assert staff("view_servicecallrecord", "view_bulkrun").get(sample_page(run)).status_code == 403


def test_what_changes_no_rows_has_no_sample(root: Client) -> None:
    assert root.get(sample_page(drafted(root))).status_code == 404
