"""What the doctor finds in the engine's rows; each with how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.doctor import calls
from orchestration.models import Pause, ProviderCircuit, RateLimit, WorkerNode
from orchestration.models.rollups import CallRollup, Span
from orchestration.stats.aggregation import floor
from tests.orchestration.doctor.findings import findings, put_schedules_on_time
from tests.orchestration.factories import expired, queued, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
AGO = timedelta(minutes=10)


def node(**fields: Any) -> None:
    now = timezone.now()
    defaults = {"name": "a", "beat_at": now, "task_beat_at": now, "started_at": now - timedelta(hours=1)}
    WorkerNode.objects.create(**{**defaults, **fields})


def circuit() -> None:
    now = timezone.now()
    ProviderCircuit.objects.create(
        client="default", state="open", opened_at=now, retry_at=now, last_error_code="server_error"
    )


def blocked() -> None:
    RateLimit.objects.create(pattern="default/gpt-4o", blocked_until=timezone.now() + AGO)


def unpriced() -> None:
    now = timezone.now()
    for span in (Span.HOUR, Span.DAY):
        CallRollup.objects.create(
            span=span, starts_at=floor(now, span), service_identity="services.a.b.C", model="new-model", unpriced=3
        )


def left_request() -> None:
    request_audit(queued(), dispatched_at=timezone.now() - AGO).save()


FOUND: list[tuple[str, Callable[[], Any], str]] = [
    ("orchestration.E211", lambda: None, "qcluster"),
    ("orchestration.W211", lambda: node(name="gone", host="h1", beat_at=timezone.now() - AGO), "Start it again"),
    ("orchestration.E212", lambda: node(task_beat_at=timezone.now() - AGO), "SIGTERM"),
    ("orchestration.W212", lambda: node(lag_seconds=3.5), "CONCURRENCY"),
    ("orchestration.E205", lambda: node(clock_offset=90.0), "NTP"),
    ("orchestration.E213", lambda: queued(due_at=timezone.now() - AGO), "add a node"),
    ("orchestration.E214", lambda: expired(lease_expires_at=timezone.now() - AGO), "orchestration sweep"),
    ("orchestration.E215", left_request, "Retry"),
    ("orchestration.W216", lambda: request_audit(running(), outcome="unknown").save(), "AI requests"),
    ("orchestration.E217", circuit, "ai_healthcheck"),
    ("orchestration.W217", blocked, "Rate limits"),
    ("orchestration.W218", lambda: Pause.start("model", "default/*"), 'resume model "default/*"'),
    ("orchestration.W219", unpriced, "reprice --apply"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("finding", "break_it", "mend"), FOUND, ids=[finding for finding, _, _ in FOUND])
def test_what_is_wrong_is_found_with_how_to_mend_it(finding, break_it, mend):
    break_it()
    found = findings()[finding]
    assert mend in found.mend
    assert found.status == ("wrong" if ".E" in finding else "warning")


def test_a_running_installation_has_nothing_wrong():
    put_schedules_on_time()
    node()
    queued()
    running()
    assert [line for line in findings().values() if line.status == "wrong"] == []


def test_nodes_that_stopped_or_are_long_gone_are_not_missed():
    node()
    node(name="stopped", stopping=True, beat_at=timezone.now() - AGO)
    node(name="last week", beat_at=timezone.now() - calls.A_DAY * 7)
    assert "orchestration.W211" not in findings()


def test_content_is_not_in_the_report():
    request_audit(running(context={"ticket": "it burns"}), outcome="unknown").save()
    assert "it burns" not in str(findings())
