"""What a bulk run says of itself while it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.clock import database_now
from persistence.admin.bulk_actions import run_url
from persistence.bulk.figures import rate, time_left, troubles_by_cause
from persistence.models import BulkItem, BulkRun, BulkState
from tests.orchestration.admin.conftest import root, staff
from tests.orchestration.factories import failed, queued

__all__ = ["root", "staff"]
pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_the_rate_is_that_of_the_last_minute() -> None:
    now = database_now()
    run = BulkRun.objects.create(kind="retry", state=BulkState.RUNNING, total=40)
    for number in range(20):
        at = now - timedelta(seconds=10 - number / 2)
        BulkItem.objects.create(run=run, call_id=f"c{number}", outcome="retried", done_at=at)
    BulkItem.objects.create(run=run, call_id="open")
    per_second = rate(run, now)
    assert per_second == pytest.approx(2.0)
    assert time_left(run, 20, per_second) == timedelta(seconds=10)
    assert rate(run, now + timedelta(hours=1)) is None
    run.state = BulkState.PAUSED
    assert rate(run, now) is None
    assert time_left(run, 20, None) is None


def test_what_was_not_done_is_told_by_cause() -> None:
    run = BulkRun.objects.create(kind="retry", total=4)
    for number, (outcome, why) in enumerate(
        [("failed", "row 7 is gone"), ("failed", "row 8 is gone"), ("refused", "succeeded"), ("retried", "")]
    ):
        BulkItem.objects.create(run=run, call_id=f"c{number}", outcome=outcome, error=why)
    assert troubles_by_cause(run) == [("failed", "row # is gone", 2), ("refused", "succeeded", 1)]


def test_a_running_run_says_its_rate_time_left_and_causes(root: Client, staff: Callable[..., Client]) -> None:
    """On its page, and in the part that refreshes itself; the words of the causes for those who may read content."""
    now = database_now()
    run = BulkRun.objects.create(kind="retry", state=BulkState.RUNNING, total=60, per_minute=600)
    for number in range(20):
        outcome, why = ("failed", f"row {number} is gone") if number % 4 == 0 else ("retried", "")
        at = now - timedelta(seconds=10 - number / 2)
        BulkItem.objects.create(run=run, call_id=f"c{number}", outcome=outcome, error=why, done_at=at)
    BulkItem.objects.create(run=run, call_id="open")
    part = reverse("admin:persistence_run_progress", args=(run.pk,))
    for url in (run_url(run.pk), f"{part}?shown=under+way"):
        page = " ".join(root.get(url).content.decode().split())
        assert "<strong>20 of 60</strong> calls: running" in page
        said = re.search(r"(\d\.\d) a second, at most 10 a second, about (\d+)\.\d s left", page)
        assert said is not None, url
        assert 1.5 < float(said[1]) <= 2.0
        assert 20 <= int(said[2]) < 27
        assert "<strong>5</strong> failed: row # is gone" in page
    unread = staff("view_bulkrun", "view_servicecallrecord").get(part).content.decode()
    assert "<strong>5</strong> failed" in unread
    assert "is gone" not in unread


def test_only_those_that_were_not_done_are_tried_again(root: Client) -> None:
    bad, good = failed(), queued()
    run = BulkRun.objects.create(kind="retry", state=BulkState.DONE, total=2, error="1 of 2 calls were left alone.")
    BulkItem.objects.create(run=run, call_id=bad.pk, outcome="failed", error="row 7 is gone", done_at=database_now())
    BulkItem.objects.create(run=run, call_id=good.pk, outcome="retried", done_at=database_now())
    page = root.get(run_url(run.pk)).content.decode()
    assert "row # is gone" in page
    assert "Try again what was not done" in page
    answer = root.post(reverse("admin:persistence_run_again", args=(run.pk,)))
    made = BulkRun.objects.latest("pk")
    assert answer.url == run_url(made.pk)
    assert (made.kind, made.state, made.total) == ("retry", BulkState.DRAFT, 1)
    assert made.items.get().call_id == bad.pk
