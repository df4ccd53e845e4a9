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
from persistence.models.failures import PersistenceFailure
from tests.browser.accessible import look_at
from tests.browser.chatting import expect
from tests.orchestration.admin.rows import succeeded
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


SEGMENT = """([key, at, series]) => {
    const chart = Chart.getChart(key);
    const bar = chart.getDatasetMeta(series).data[chart.data.points.indexOf(at)];
    const {left, top} = chart.canvas.getBoundingClientRect();
    return [left + bar.x, top + (bar.base === undefined ? bar.y : (bar.y + bar.base) / 2)];
}"""
"""Where on the screen a point of a series is drawn: the middle of a bar."""
ABOVE = """key => {
    const {canvas, chartArea} = Chart.getChart(key);
    return canvas.getBoundingClientRect().top + chartArea.top + 14;
}"""


@pytest.mark.parametrize(
    ("key", "series", "listed"),
    [
        ("chart-calls", 0, {"succeeded"}),
        ("chart-calls", 1, {"failed"}),
        ("chart-calls", None, {"succeeded", "failed"}),
        ("chart-latency", 0, {"succeeded", "failed"}),
        ("chart-cost", 0, {"succeeded", "failed"}),
        ("chart-failing", 0, {"failing"}),
    ],
)
def test_a_click_on_a_point_opens_exactly_its_calls(
    console: Any, live_server: Any, key: str, series: int | None, listed: set[str]
) -> None:
    """With the mouse: of a bar's segment the calls that it counts, above the bars all of that minute."""
    at = database_now().replace(second=0, microsecond=0) - timedelta(minutes=3)
    made: dict[str, list[str]] = {"succeeded": [], "failed": [], "failing": []}
    for second in (0, 30, 59):
        ended = {"started_at": at - timedelta(seconds=9), "finished_at": at + timedelta(seconds=second)}
        made["succeeded"].append(succeeded(**ended).pk)
        made["failed"].append(failed(**ended).pk)
        dead = queued(domain_persist_state="dead", domain_persist_error="ValueError: #")
        PersistenceFailure.objects.create(
            call=dead, fingerprint="0" * 16, cause={}, first_at=ended["finished_at"], last_at=ended["finished_at"]
        )
        made["failing"].append(dead.pk)
    for beside in (at - timedelta(seconds=1), *[at + timedelta(minutes=1)] * 9):  # higher bars, so that there is room
        failed(started_at=at - timedelta(minutes=1), finished_at=beside)
    roll_up(afresh=True)
    console.goto(f"{live_server.url}{reverse('admin:index')}?period=1h")
    console.wait_for_function("key => Chart.getChart(key)?.data.points", arg=key)
    console.locator(f"#{key}").scroll_into_view_if_needed()
    x, y = console.evaluate(SEGMENT, [key, int(at.timestamp()), series or 0])
    console.mouse.click(x, y if series is not None else console.evaluate(ABOVE, key))
    console.wait_for_url(f"**{LIST}?*")
    rows = console.locator("#result_list input.action-select")
    wanted = {pk for name in listed for pk in made[name]}
    expect(rows).to_have_count(len(wanted))
    assert {row.get_attribute("value") for row in rows.all()} == wanted
