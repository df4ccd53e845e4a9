"""A run over many in a real browser: its sample is looked at, it is scheduled, called off, and started with a pace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from persistence.admin.bulk_actions import run_url
from persistence.bulk.runs import freeze
from persistence.models import BulkRun, BulkState
from persistence.operations import REVERT
from persistence.testing import persist
from tests.browser.accessible import look_at
from tests.persistence.reprocessing.test_reprocess import one_message
from tests.persistence.results import note

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]


def test_a_run_is_looked_at_scheduled_and_paced(console: Any, live_server: Any) -> None:
    for _ in range(3):
        persist(note(one_message))
    run = freeze(REVERT, {})
    console.goto(f"{live_server.url}{run_url(run.pk)}")
    console.get_by_role("link", name="Rows of a sample").click()
    console.get_by_role("heading", name="3 calls of run").wait_for()
    assert console.locator("del").count() > 0
    look_at(console, "run-sample")
    console.get_by_role("link", name=f"run #{run.pk}").click()
    tonight = timezone.localtime() + timedelta(hours=5)
    console.get_by_label("Start at").fill(f"{tonight:%Y-%m-%dT%H:%M}")
    console.get_by_label("At most so many calls").fill("30")
    console.get_by_role("button", name="Revert 3 calls").click()
    console.get_by_text("Starts by itself at").wait_for()
    assert BulkRun.objects.get().is_scheduled
    look_at(console, "run-scheduled")
    console.get_by_role("button", name="Do not start it by itself").click()
    console.get_by_text("Starts by itself at").wait_for(state="detached")
    console.get_by_role("button", name="Revert 3 calls").click()
    console.get_by_text("0 of 3 calls: queued").wait_for()
    assert console.get_by_text("at most 30 a minute").first.is_visible()
    console.get_by_text("Change the pace").click()
    look_at(console, "run-paced")
    console.get_by_label("At most so many calls").fill("2")
    console.get_by_label("per", exact=True).select_option("second")
    console.get_by_role("button", name="Set").click()
    console.get_by_text("at most 2 a second").first.wait_for()
    run.refresh_from_db()
    assert (run.state, run.per_minute) == (BulkState.QUEUED, 120)
