"""`/metrics` and the figures of `/stats`."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from orchestration.models import EngineCounter
from orchestration.models.content import ContentFile
from orchestration.stats.aggregation import roll_up
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.api.conftest import caller  # noqa: F401 - a fixture
from tests.orchestration.factories import failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LINE = re.compile(r'(# (HELP|TYPE) .+|orchestrai_[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? [0-9.e+-]+)\Z')


@pytest.fixture
def calls() -> None:
    queued()
    done = {"started_at": timezone.now() - timedelta(seconds=2), "finished_at": timezone.now()}
    succeeded(**done, model='gpt "4"', output_tokens=2_000_001)
    failed(started_at=timezone.now() - timedelta(seconds=1))
    EngineCounter.add("wakes_lost")
    for digit in "ab":
        ContentFile.objects.create(digest=digit * 64, size=1500, media_type="image/png", path=digit)
    roll_up()


def test_prometheus_can_read_it(calls: None, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(18):
        answer = Client().get("/metrics")
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.content.decode().splitlines()
    assert not [line for line in lines if not LINE.match(line.replace('\\"', ""))]
    assert 'orchestrai_calls{state="queued"} 1.0' in lines
    assert 'orchestrai_engine_total{name="wakes_lost"} 1.0' in lines
    service = 'service="services.engineapp.default.Triage",model="gpt \\"4\\""'
    assert f'orchestrai_calls_finished_total{{{service},status="succeeded"}} 1.0' in lines
    assert f'orchestrai_tokens_total{{{service},kind="output"}} 2000001.0' in lines
    assert 'orchestrai_content_files{media_type="image/png"} 2.0' in lines
    assert 'orchestrai_content_bytes{media_type="image/png"} 3000.0' in lines
    assert Client().post("/metrics").status_code == 405


def test_stats_tell_rates_latency_tokens_and_cost(calls: None, caller: Any) -> None:  # noqa: F811
    told = caller("viewer", permissions=("view_servicecallrecord",)).get("/stats").json()
    assert (told["finished"]["succeeded"], told["finished"]["failed"]) == (1, 1)
    assert told["finished"]["failure_rate"] == 0.5
    assert 800 < told["finished"]["latency_ms"]["p50"] < 1300
    part = told["by_service_and_model"][0]
    assert (part["model"], Decimal(part["cost"])) == ('gpt "4"', Decimal("0.000567"))
    assert told["summed_up_at"]


def test_ones_own_figures_are_ones_own(calls: None, caller: Any) -> None:  # noqa: F811
    ann = caller("ann")
    assert ann.get("/stats").json()["finished"]["succeeded"] == 0
    now = timezone.now()
    succeeded(requested_by=ann.user, created_at=now, started_at=now - timedelta(seconds=1), finished_at=now)
    told = ann.get("/stats").json()
    assert told["finished"]["succeeded"] == told["by_service_and_model"][0]["succeeded"] == 1
    assert 700 < told["finished"]["latency_ms"]["p50"] < 1300
    assert told["summed_up_at"] is None
