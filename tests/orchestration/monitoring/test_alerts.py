"""What is broken is said within seconds, in one line, at a price that does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orchestration.admin.call_actions import call_url
from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.models import AIRequestAudit, AIResponseAudit, Pause, ProviderCircuit, ServiceCallRecord, WorkerNode
from orchestration.models.audits import Outcome
from orchestration.models.engine_events import EngineEvent, EventKind
from orchestration.models.nodes import alive_within
from orchestration.models.states import PersistState, Status
from orchestration.monitoring import alerts as module
from orchestration.monitoring.alerts import Alert, alerts, forget_alerts, latest_alerts
from tests.orchestration.factories import failed, queued, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def now() -> Iterator[datetime]:
    forget_alerts()
    moment = database_now()
    WorkerNode.objects.create(name="node-1", beat_at=moment)
    yield moment
    forget_alerts()


def found(code: str) -> Alert | None:
    return next((alert for alert in alerts() if alert.code == code), None)


def text(code: str) -> str:
    alert = found(code)
    assert alert is not None, [alert.code for alert in alerts()]
    return alert.text


def test_nothing_but_the_simulator_is_told_of_a_healthy_system() -> None:
    queued(), running(), failed()
    assert [alert.code for alert in alerts()] == ["simulated"]


def test_dead_workers_are_told_within_ten_seconds(now: datetime) -> None:
    """Three missed beats, a second of caching, and two until an open page asks again. A node that lives is not called
    silent while it beats late by twice the interval: on a machine under load."""
    assert alive_within() + timedelta(seconds=module.CACHE_SECONDS + module.POLL_SECONDS) < timedelta(seconds=10)
    WorkerNode.objects.update(beat_at=now - timedelta(seconds=3 * engine_settings().beat_seconds))
    assert found("no_worker") is None
    running(), running()
    WorkerNode.objects.update(beat_at=now - alive_within() - timedelta(seconds=1))
    alert = found("no_worker")
    assert alert is not None
    assert alert.level == "error"
    assert "node-1 silent for 7 s" in alert.text
    assert "2 calls are shown as running and are not" in alert.text
    assert alerts()[0] == alert, "the worst comes first"


def test_one_node_of_two_is_a_warning_and_a_stopped_one_is_none(now: datetime) -> None:
    WorkerNode.objects.create(name="node-2", beat_at=now - timedelta(minutes=5))
    assert "node-2 silent for 5 min" in text("silent_worker")
    WorkerNode.objects.filter(name="node-2").update(stopping=True)
    assert found("silent_worker") is None
    WorkerNode.objects.filter(name="node-2").update(stopping=False, beat_at=now - timedelta(days=2))
    assert found("silent_worker") is None


def test_a_provider_that_is_down_is_told_early(now: datetime) -> None:
    circuit = ProviderCircuit.objects.create(
        client="default", failures=2, failing_since=now, last_error_code="connection_failed"
    )
    assert found("provider_fails") is None
    ProviderCircuit.objects.update(failures=3)
    assert "failed 3 times in a row (connection_failed)" in text("provider_fails")
    ProviderCircuit.objects.update(failing_since=now - timedelta(hours=1))
    assert found("provider_fails") is None, "nobody has asked it since"
    ProviderCircuit.objects.filter(pk=circuit.pk).update(state="open", retry_at=now, opened_at=now)
    alert = found("circuit_open")
    assert alert is not None
    assert (alert.level, alert.page) == ("error", "orchestration_providercircuit_changelist")


def sent(now: datetime, seconds: float, client: str = "default") -> AIRequestAudit:
    """A request that went out so long ago, and waits for its answer."""
    audit = request_audit(running(), client_name=client, dispatched_at=now - timedelta(seconds=seconds))
    audit.save()
    return audit


def answered(now: datetime, ago: float, took: float, error_code: str = "", client: str = "default") -> None:
    request = sent(now, ago + took, client)
    AIResponseAudit.objects.create(
        ai_request=request,
        call=request.call,
        received_at=now - timedelta(seconds=ago),
        latency_ms=int(took * 1000),
        error_code=error_code,
    )
    AIRequestAudit.objects.filter(pk=request.pk).settle(Outcome.FAILED if error_code else Outcome.ANSWERED)


def test_a_provider_that_hangs_is_told_within_ten_seconds(now: datetime) -> None:
    """If it was fast until now; another provider, which answers, hides nothing."""
    assert module.UNUSUAL + timedelta(seconds=module.CACHE_SECONDS + module.POLL_SECONDS) < timedelta(seconds=10)
    answered(now, 9, 1.2)
    answered(now, 0.1, 0.2, client="other")
    sent(now, 5)
    assert found("unanswered") is None
    sent(now, 7)
    alert = found("unanswered")
    assert alert is not None
    assert (alert.level, alert.text) == (
        "warning",
        "The provider of client default has not answered for 7 s: 2 requests wait. It took at most 1.2 s of late.",
    )
    answered(now, 3, 60, error_code="timeout")
    assert found("unanswered") == alert, "a timeout is not an answer"
    answered(now, 2, 6)
    assert found("unanswered") is None, "a slow model is none that hangs"


def test_a_slow_provider_that_hangs_is_told_after_half_a_minute(now: datetime) -> None:
    """Also one of which nothing is known yet."""
    sent(now, 20)
    assert found("unanswered") is None
    answered(now, 40, 25)
    assert found("unanswered") is None, "it takes that long"
    sent(now, 33)
    alert = found("unanswered")
    assert alert is not None
    assert alert.level == "error"
    assert "has not answered for 33 s" in alert.text


def test_requests_of_a_dead_worker_do_not_accuse_the_provider(now: datetime) -> None:
    request = sent(now, 45)
    ServiceCallRecord.objects.filter(pk=request.call_id).update(lease_expires_at=now - timedelta(seconds=1))
    assert found("unanswered") is None


def test_processes_that_were_replaced_are_told(now: datetime) -> None:
    EngineEvent.note(EventKind.START, "node-1")
    assert found("replaced") is None
    EngineEvent.note(EventKind.KILLED, "node-1: process 7")
    assert "A worker process was killed 0 s ago (node-1: process 7). Another one runs its calls" in text("replaced")
    EngineEvent.note(EventKind.RESTART, "node-1: the cluster's main process ended")
    assert "A cluster of workers was restarted" in text("replaced")
    assert "main process ended; 1 more within 5 min)" in text("replaced")
    EngineEvent.note(EventKind.KILLED, "node-1: process 8")
    assert "main process ended; 2 more within 5 min)" in text("replaced"), "it took its workers along"
    EngineEvent.objects.filter(kind=EventKind.RESTART).update(at=now - timedelta(seconds=30))
    assert "A worker process was killed 0 s ago (node-1: process 8; 2 more within 5 min)" in text("replaced")
    EngineEvent.objects.update(at=now - timedelta(minutes=6))
    assert found("replaced") is None


def test_an_overdue_call_says_what_holds_it(now: datetime) -> None:
    record = queued(due_at=now - timedelta(minutes=5), client="default", model_requested="m")
    Pause.start("model", "default/m", reason="for the night")
    alert = found("overdue")
    assert alert is not None
    assert alert.text.startswith("A call is overdue for 5 min. The model default/m has been paused since")
    assert (alert.call_id, alert.remedy) == (record.pk, "Resume it")


def test_the_call_due_longest_is_told_not_the_most_urgent(now: datetime) -> None:
    queued(priority=10, due_at=now - timedelta(seconds=50))
    old = queued(due_at=now - timedelta(minutes=9))
    alert = found("overdue")
    assert alert is not None
    assert (alert.call_id, alert.text.partition(".")[0]) == (old.pk, "A call is overdue for 9 min")


def test_results_that_nobody_persists_are_told(now: datetime) -> None:
    queued(
        status=Status.SUCCEEDED,
        priority=10,
        finished_at=now,
        domain_persist_state=PersistState.PENDING,
        next_persist_at=now - timedelta(seconds=30),
    )
    queued(
        status=Status.SUCCEEDED,
        finished_at=now,
        domain_persist_state=PersistState.PENDING,
        next_persist_at=now - timedelta(minutes=3),
    )
    assert "waited for 3 min" in text("drain_overdue")


def test_clocks_and_rows_that_were_set_aside_are_told() -> None:
    WorkerNode.objects.update(clock_offset=-7.5)
    assert "node-1 -7.5 s" in text("clock_skew")
    failed(error_code="unreadable"), failed()
    alert = found("set_aside")
    assert alert is not None
    assert alert.text.startswith("1 call is set aside")
    assert alert.query == {"error_code": "unreadable"}


def everything_is_wrong(now: datetime, numbers: range) -> None:
    for number in numbers:
        WorkerNode.objects.create(name=f"gone-{number}", beat_at=now - timedelta(hours=1), clock_offset=9)
        ProviderCircuit.objects.create(client=f"c{number}", state="open", retry_at=now)
        request_audit(running(), dispatched_at=now - timedelta(minutes=1)).save()
        queued(due_at=now - timedelta(hours=1), ordering_key=f"k{number}", sequence=1)
        failed(error_code="unreadable")


def test_the_price_does_not_grow_and_is_paid_once_a_second(now: datetime) -> None:
    counts = []
    for numbers in (range(1), range(1, 20)):
        everything_is_wrong(now, numbers)
        with CaptureQueriesContext(connection) as captured:
            assert len(alerts()) >= 4
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 16
    forget_alerts()
    latest_alerts()
    with CaptureQueriesContext(connection) as captured:
        latest_alerts(), latest_alerts()
    assert not captured.captured_queries


def test_every_page_has_them_without_a_query_of_its_own(admin_client: Client, now: datetime) -> None:
    WorkerNode.objects.update(beat_at=now - timedelta(minutes=1))
    pages = (
        reverse("admin:index"),
        reverse("admin:orchestration_servicecallrecord_changelist"),
        call_url(failed().pk),
        reverse("admin:persistence_dead_letters"),
        reverse("admin:orchestration_pause_add"),
    )
    fragment = admin_client.get(reverse("admin:orchestration_alerts")).content.decode()
    assert "No worker is alive" in fragment
    assert f'href="{reverse("admin:orchestration_workernode_changelist")}"' in fragment
    for url in pages:
        html = admin_client.get(url).content.decode()
        assert html.count('id="orca-alerts"') == 1, url
        assert "No worker is alive" in html, url


def test_those_who_may_not_see_calls_are_told_nothing(client: Client, django_user_model: Any) -> None:
    client.force_login(
        django_user_model.objects.create_user("x@example.com", "pw", is_staff=True, role="staff"),
    )
    assert client.get(reverse("admin:orchestration_alerts")).status_code == 403
    assert "orca-alerts" not in client.get(reverse("admin:index")).content.decode()
    assert not ServiceCallRecord.objects.exists()
