"""The first page of the console: true figures, links to what they count, and only for those who may see calls."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from orchestration.engine.queue.claim import claim
from orchestration.models import ModelPrice, ServiceCallRecord, WorkerNode
from orchestration.models.states import PersistState, Status
from orchestration.stats.aggregation import roll_up
from persistence.testing import persist
from tests.orchestration.factories import failed, queued, running
from tests.persistence.results import note
from tests.rows_of_any_model import a_row

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
INDEX, LIVE = reverse("admin:index"), reverse("admin:persistence_overview")


def signed_in(*codenames: str, is_superuser: bool = False) -> Client:
    user = User.objects.create_user(f"p{User.objects.count()}@example.com", "pw", is_staff=True, role="staff")
    user.is_superuser = is_superuser
    user.save()
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def busy() -> None:
    """Nine failures, one success, one dead letter, two in the queue, one running."""
    now = timezone.now()
    for _ in range(9):
        failed(model="m1", started_at=now - timedelta(seconds=2), cost=Decimal("0.5"), total_tokens=100)
    queued(
        status=Status.SUCCEEDED,
        finished_at=now,
        model="m2",
        domain_persist_state=PersistState.DEAD,
        domain_persist_error="KeyError: 'reply'",
        total_tokens=7,
    )
    queued(due_at=now - timedelta(minutes=5))
    queued(due_at=now + timedelta(days=1))
    running(worker="node-1:17:x")
    WorkerNode.objects.create(name="node-1")
    roll_up()


def tiles(html: str) -> dict[str, str]:
    found = re.findall(r'<dt>([^<]+)</dt>\s*<dd class="orca-figure">(.*?)</dd>', html, re.DOTALL)
    return {label: re.sub(r"<span.*?</span>|<[^>]+>", "", value).strip() for label, value in found}


def test_the_figures_are_those_of_the_rows_and_lead_to_them() -> None:
    busy()
    client = signed_in("view_servicecallrecord")
    html = client.get(INDEX).content.decode()
    shown = tiles(html)
    assert {label: shown[label] for label in ("Queue depth", "Running", "Dead letters", "Finished", "Failed")} == {
        "Queue depth": "2",
        "Running": "1",
        "Dead letters": "1",
        "Finished": "10",
        "Failed": "9",
    }
    assert shown["Oldest waiting"].startswith("5 min")
    assert (shown["Tokens"], shown["Cost"]) == ("907", "4.5000")
    assert "1 calls without a price" in html
    a_row(ModelPrice, currency="USD")
    assert tiles(client.get(INDEX).content.decode())["Cost, USD"] == "4.5000", "the number has the line for itself"
    assert "KeyError" in html
    assert "1 x Triage" in html
    links = {unescape(link) for link in re.findall(r'href="(/admin/orchestration/servicecallrecord/\?[^"]+)"', html)}
    counted = {}
    for link in links:
        response = client.get(link)
        assert response.status_code == 200, link
        counted[link.partition("?")[2].partition("&")[0]] = len(response.context["cl"].result_list)
    assert counted["status__exact=failed"] == 9
    assert counted["error_code=timeout"] == 9
    assert counted["domain_persist_state__exact=dead"] == 1
    assert next(count for link, count in counted.items() if link.startswith("dead=")) == 1


@pytest.mark.parametrize("period", ["1h", "24h", "7d", "30d", "nonsense", ""])
def test_charts_hold_the_whole_period_and_sum_up_to_the_tiles(period: str) -> None:
    busy()
    html = signed_in("view_servicecallrecord").get(f"{LIVE}?period={period}").content.decode()
    data = {
        key: json.loads(unescape(value))
        for key, value in re.findall(r'id="(chart-\w+)".*?data-value="([^"]+)"', html, re.DOTALL)
    }
    assert set(data) == {"chart-calls", "chart-latency", "chart-cost", "chart-failing"}
    succeeded, failures, cancelled = (series["data"] for series in data["chart-calls"]["datasets"])
    assert (sum(succeeded), sum(failures), sum(cancelled)) == (1, 9, 0)
    assert len(succeeded) == len(data["chart-calls"]["labels"]) >= 24
    assert "9 failed" in html


def test_an_old_call_that_is_retried_does_not_bend_the_latency() -> None:
    """It failed 5,000 s ago, and took two seconds when somebody retried it now."""
    long_ago = timezone.now() - timedelta(seconds=5000)
    call = failed(created_at=long_ago, started_at=long_ago, finished_at=long_ago + timedelta(seconds=1))
    call.retry()
    (claimed,) = claim(1, "w")
    ended = claimed.started_at + timedelta(seconds=2)
    ServiceCallRecord.objects.update(status=Status.SUCCEEDED, finished_at=ended)
    roll_up()
    for period in ("1h", "24h", "7d"):
        html = signed_in("view_servicecallrecord").get(f"{LIVE}?period={period}").content.decode()
        chart = re.search(r'id="chart-latency".*?data-value="([^"]+)"', html, re.DOTALL)
        assert chart is not None
        drawn = [at for series in json.loads(unescape(chart[1]))["datasets"] for at in series["data"] if at is not None]
        assert len(drawn) == 2
        assert 1.5 < min(drawn) <= max(drawn) < 3
        assert tiles(html)["Latency, p50"].endswith(" s")


def test_results_that_fail_are_drawn_by_when_that_began() -> None:
    def fail(handler: Any, response: Any) -> None:
        raise ValueError

    for _ in range(2):
        persist(note(fail))
    html = signed_in("view_servicecallrecord").get(f"{LIVE}?period=1h").content.decode()
    found = re.search(r'id="chart-failing".*?data-value="([^"]+)"', html, re.DOTALL)
    assert found is not None
    assert sum(json.loads(unescape(found[1]))["datasets"][0]["data"]) == 2
    assert "2 results began to fail in this period and still do." in html


def test_it_says_when_nobody_sums_up() -> None:
    client = signed_in("view_servicecallrecord")
    assert "There are no figures yet" in client.get(LIVE).content.decode()
    roll_up(now=timezone.now() - timedelta(hours=1))
    assert "no worker is updating them" in client.get(LIVE).content.decode()
    roll_up()
    assert "orca-warning" not in client.get(LIVE).content.decode()


def test_who_may_not_see_calls_sees_no_figures() -> None:
    busy()
    client = signed_in("view_persistedchunk")
    assert "orca-tiles" not in client.get(INDEX).content.decode()
    assert client.get(LIVE).status_code == 403
    assert Client().get(LIVE).status_code == 302
