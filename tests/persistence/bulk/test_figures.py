"""What a bulk run says of itself while it runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.clock import database_now
from persistence.admin.bulk_actions import run_url
from persistence.bulk.figures import rate, time_left, troubles_by_cause
from persistence.models import BulkItem, BulkRun, BulkState
from tests.orchestration.admin.conftest import root
from tests.orchestration.factories import failed, queued

__all__ = ["root"]
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
