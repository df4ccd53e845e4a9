"""Pages that follow what happens, in a real browser: a list tells of newer rows, a point of a chart opens its calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from orchestration.admin import newer_rows
from orchestration.clock import database_now
from orchestration.models.engine_events import EngineEvent, EventKind
from orchestration.stats.aggregation import roll_up
from tests.browser.accessible import look_at
from tests.browser.chatting import expect
from tests.orchestration.factories import failed, queued

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def test_a_list_tells_of_newer_rows_and_moves_none(
    console: Any, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newer_rows, "SECONDS", 1)
    failed(), queued()
    console.goto(f"{live_server.url}{LIST}?status__exact=failed")
    rows = console.locator("#result_list tbody tr")
    queued(), failed(), failed()
    console.get_by_role("link", name="2 new").wait_for()
    assert rows.count() == 1
    look_at(console, "newer")
    console.get_by_role("link", name="2 new").click()
    console.wait_for_function("document.querySelectorAll('#result_list tbody tr').length === 3")
    assert "status__exact=failed" in console.url


def test_a_point_of_a_chart_opens_its_calls_by_keys(console: Any, live_server: Any) -> None:
    """The last point but one; the last is the present minute, which may end meanwhile."""
    at = database_now().replace(second=0, microsecond=0) - timedelta(minutes=2)
    for second in (0, 59):
        failed(finished_at=at + timedelta(seconds=second))
    failed(finished_at=at - timedelta(seconds=1))
    EngineEvent.objects.create(kind=EventKind.PAUSE, about="service Triage", at=at)
    EngineEvent.objects.create(kind=EventKind.DEPLOYMENT, about="Triage", at=at - timedelta(minutes=20))
    roll_up(afresh=True)
    console.goto(f"{live_server.url}{reverse('admin:index')}")
    chart = console.locator("#chart-calls")
    chart.focus()
    said = console.locator("#orca-point")
    for _ in range(8):
        console.keyboard.press("ArrowLeft")
        if "Failed 2" in (said.text_content() or ""):
            break
    assert "Failed 2" in (said.text_content() or "")
    assert "Paused: service Triage" in (said.text_content() or "")
    assert console.get_by_role("cell", name="Node started").count() == 0
    assert console.get_by_role("cell", name="Deployed").is_visible()
    look_at(console, "chart-point")
    chart.focus()
    console.keyboard.press("Enter")
    console.wait_for_url("**finished_at_from_0**")
    expect(console.locator("#result_list tbody tr")).to_have_count(2)


def test_a_chosen_point_stays_the_same_moment(console: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far the charts have moved since it was chosen."""
    console.reload()
    chart = console.locator("#chart-calls")
    console.wait_for_function("Chart.getChart('chart-calls')?.data.points")
    chart.focus()
    for _ in range(3):
        console.keyboard.press("ArrowLeft")
    at = console.evaluate("Chart.getChart('chart-calls').chosenAt")
    console.evaluate(
        """() => { const {data} = Chart.getChart('chart-calls'); data.points = [...data.points.slice(1), 2e9]; }"""
    )
    with console.expect_request(f"**/overview/calls/*at={at}*"):
        console.keyboard.press("Enter")
