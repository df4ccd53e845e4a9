"""A point of a chart opens exactly the calls that it counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.stats.aggregation import floor, roll_up
from orchestration.stats.figures import Period, history
from persistence.admin.overview_charts import charts
from persistence.models.failures import PersistenceFailure
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
POINT = reverse("admin:persistence_overview_calls")


def listed(client: Client, **wanted: object) -> set[str]:
    answer = client.get(POINT, wanted, follow=True)
    return {row.pk for row in answer.context["cl"].result_list}


def points(period: Period) -> dict[int, dict[str, int]]:
    """What the chart of finished calls counts, by when each point began."""
    data = json.loads(next(charts(history(period))).value)
    columns = {series["label"].lower(): series["data"] for series in data["datasets"]}
    return {at: {label: column[n] for label, column in columns.items()} for n, at in enumerate(data["points"])}


@pytest.mark.parametrize("period", [Period.HOUR, Period.DAY, Period.MONTH])
def test_every_point_opens_as_many_calls_as_it_counts(root: Client, period: Period) -> None:
    """Those at the very ends of a point among them."""
    began = floor(database_now(), period.span)
    before = began - timedelta(microseconds=1)
    for at in (began, before, before, began - timedelta(hours=1)):
        failed(finished_at=at)
        succeeded(started_at=at - timedelta(seconds=1), finished_at=at)
    queued()
    roll_up(afresh=True)
    counted = {at: counts for at, counts in points(period).items() if sum(counts.values())}
    assert len(counted) >= 2
    for at, counts in counted.items():
        for status in ("failed", "succeeded"):
            found = listed(root, period=period.label, at=at, what=status)
            assert len(found) == counts[status], (at, status)
        assert len(listed(root, period=period.label, at=at, what="all")) == sum(counts.values())


def test_an_hour_that_the_clock_has_twice_is_told_apart(root: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    calls = [failed(finished_at=at) for at in (first, second)]
    with timezone.override("Europe/Berlin"):
        found = [listed(root, period="24h", at=int(call.finished_at.timestamp())) for call in calls]  # type: ignore[union-attr]  # they ended
    assert found == [{call.pk} for call in calls]


def test_a_point_of_failing_results_opens_them(root: Client) -> None:
    at = floor(database_now(), Period.HOUR.span)
    fields = {"status": "succeeded", "finished_at": at, "domain_persist_error": "ValueError: #"}
    inside, before = (queued(domain_persist_state=PersistState.DEAD, **fields) for _ in range(2))
    for call, first in ((inside, at), (before, at - timedelta(microseconds=1))):
        PersistenceFailure.objects.create(call=call, fingerprint="0" * 16, cause={}, first_at=first, last_at=first)
    assert listed(root, period="1h", at=int(at.timestamp()), what="failing") == {inside.pk}
    answer = root.get(reverse("admin:orchestration_servicecallrecord_changelist"), {"began_to_fail": "yesterday"})
    assert "Write two times with their offset" in answer.content.decode()


@pytest.mark.parametrize("query", ["at=soon&what=all", "at=1&what=odd", "at=99999999999999999", "what=all"])
def test_what_no_chart_has_opens_nothing(root: Client, query: str) -> None:
    assert root.get(f"{POINT}?{query}").status_code == 404


def test_a_point_is_for_those_who_may_view_calls(staff: Callable[..., Client]) -> None:
    assert staff().get(f"{POINT}?at=1").status_code == 403
    opened = staff("view_servicecallrecord").get(f"{POINT}?at=1600000000&what=failed&period=1h")
    assert parse_qs(urlsplit(opened.url).query)["status__exact"] == ["failed"]
    assert not ServiceCallRecord.objects.exists()
