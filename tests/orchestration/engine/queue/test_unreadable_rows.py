"""Rows that nobody can read are set aside, counted and shown; everybody else's work continues."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.accounts.models import ApiKey
from orchestration.clock import database_now
from orchestration.engine.queue.claim import claim
from orchestration.engine.queue.unreadable_rows import UNREADABLE_ROWS
from orchestration.engine.worker.rescuer import sweep
from orchestration.models import EngineCounter, ProviderCircuit, RateLimit, ServiceCallRecord, WorkerNode
from orchestration.models.rollups import CallRollup, Span
from orchestration.models.states import PersistState, Status
from orchestration.models.throttles import CircuitState
from orchestration.stats.aggregation import roll_up
from orchestration.testing import drain
from orchestration.values.moments import is_in_range
from persistence.maintenance.retention import prune
from persistence.tasks import process_pending_persistence
from tests.apps.people import person
from tests.orchestration.factories import queued, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

POSTGRES = [
    "0001-12-31 10:00:00+00 BC",
    "4713-01-01 00:00:00+00 BC",
    "20000-01-01 00:00:00+00",
    "infinity",
    "-infinity",
]
POSTGRES += ["9999-12-31 23:59:59+00", "10000-01-01 13:59:59+00"]
SQLITE = ["infinity", "20000-01-01 00:00:00", "-4713-01-01", "garbage", "2026-13-45 99:00:00", "0001-01-01 00:00:00"]
BAD_TIMES = POSTGRES if connection.vendor == "postgresql" else SQLITE
bad_time = pytest.mark.parametrize("bad", BAD_TIMES)
PAGES = ("/", "/orchestration/servicecallrecord/", "/accounts/apikey/", "/orchestration/workernode/")


def write(row: Any, column: str, value: Any) -> None:
    """By SQL, past every check."""
    table = row._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, row.pk])  # noqa: S608
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def everything_answers(client: Client, admin_client: Client, call: ServiceCallRecord) -> None:
    """Health, figures, lists, pages, searches, exports of the one and of all."""
    assert client.get("/readyz").json()["ready"] is True
    assert client.get("/metrics").status_code == 200
    pages = [*PAGES, f"/orchestration/servicecallrecord/{call.pk}/change/", "/orchestration/servicecallrecord/?q=x"]
    for path in pages:
        assert admin_client.get(f"/admin{path}", follow=True).status_code == 200, path
    for path in ("/service-calls", "/service-calls?limit=1", f"/service-calls/{call.pk}", "/stats"):
        assert admin_client.get(f"/api/v1{path}").status_code == 200, path
    timeline = admin_client.get(f"/api/v1/service-calls/{call.pk}/timeline")
    assert timeline.status_code == 200


@pytest.mark.slow
@bad_time
@pytest.mark.sampled(3)
def test_a_call_due_at_no_time_is_set_aside(bad: str, client: Client, admin_client: Client) -> None:
    broken, sound = queued(), queued()
    write(broken, "due_at", bad)
    everything_answers(client, admin_client, broken)
    claimed = claim(10, "w1")
    sweep()
    assert [call.pk for call in claimed] == [sound.pk]
    broken.refresh_from_db()
    assert (broken.status, broken.error_code, broken.retryable) == (Status.FAILED, "unreadable", False)
    assert "due_at" in (broken.error or "")
    assert is_in_range(broken.due_at)
    assert EngineCounter.read(UNREADABLE_ROWS) == client.get("/readyz").json()["unreadable_rows"] == 1
    everything_answers(client, admin_client, broken)
    broken.retry()
    assert [call.pk for call in claim(10, "w2")] == [broken.pk]


@pytest.mark.slow
@bad_time
@pytest.mark.parametrize("column", ["created_at", "updated_at", "started_at", "cancel_requested_at", "next_persist_at"])
@pytest.mark.sampled(8)
def test_any_time_of_a_queued_call_is_read(bad: str, column: str, client: Client, admin_client: Client) -> None:
    broken, sound = queued(), queued()
    write(broken, column, bad)
    everything_answers(client, admin_client, broken)
    assert {call.pk for call in claim(10, "w1")} == {sound.pk}
    broken.refresh_from_db()
    assert broken.error_code == "unreadable"


@bad_time
@pytest.mark.sampled(3)
def test_a_lease_that_never_ends_is_ended(bad: str, client: Client, admin_client: Client) -> None:
    broken = running()
    write(broken, "lease_expires_at", bad)
    everything_answers(client, admin_client, broken)
    sweep()
    sweep()
    broken.refresh_from_db()
    assert (broken.status, broken.deaths) == (Status.QUEUED, 1)


@bad_time
def test_a_result_that_waits_for_no_time_is_persisted(bad: str) -> None:
    broken, sound = queued(), queued()
    drain()
    for call in (broken, sound):
        ServiceCallRecord.objects.filter(pk=call.pk).update(
            domain_persist_state=PersistState.PENDING, next_persist_at=database_now()
        )
    write(broken, "next_persist_at", bad)
    sweep()
    assert process_pending_persistence()["claimed"] == 2


@pytest.mark.slow
@bad_time
@pytest.mark.sampled(3)
def test_a_finished_call_with_a_broken_time_stops_nothing(bad: str, client: Client, admin_client: Client) -> None:
    broken, sound = queued(), queued()
    drain()
    for column in ("created_at", "started_at", "finished_at"):
        write(broken, column, bad)
    roll_up(now=database_now() + timedelta(minutes=5))
    prune(days={"calls": 1, "requests": 1}, dry_run=False)
    everything_answers(client, admin_client, broken)
    everything_answers(client, admin_client, sound)


@bad_time
@pytest.mark.sampled(3)
def test_a_key_that_ends_at_no_time_breaks_no_page(bad: str, client: Client, admin_client: Client) -> None:
    key, secret = ApiKey.issue(person(), "n", [])
    write(key, "expires_at", bad)
    everything_answers(client, admin_client, queued())
    assert admin_client.get(f"/admin/accounts/apikey/{key.pk}/change/").status_code == 200
    assert ApiKey.objects.get(pk=key.pk).expires_at is not None
    assert client.get("/api/v1/auth/me", headers={"authorization": f"Bearer {secret}"}).status_code in (200, 401)


@bad_time
@pytest.mark.sampled(3)
def test_limits_with_broken_times_hold_nothing(bad: str, client: Client, admin_client: Client) -> None:
    limit = RateLimit.objects.create(pattern="default/*", requests_per_minute=60)
    circuit = ProviderCircuit.objects.create(client="default", state=CircuitState.OPEN, retry_at=database_now())
    node = WorkerNode.objects.create(name="a")
    for row, columns in ((limit, ("refilled_at", "blocked_until")), (circuit, ("retry_at",)), (node, ("beat_at",))):
        for column in columns:
            write(row, column, bad)
    call = queued(client="default", model_requested="m")
    everything_answers(client, admin_client, call)
    assert [taken.pk for taken in claim(10, "w1")] == [call.pk]


BROKEN_JSON = ["{", "", "[1, 2", "1" * 5000] if connection.vendor == "sqlite" else ["1e6000"]


@pytest.mark.slow
@pytest.mark.parametrize("bad", BROKEN_JSON)
@pytest.mark.parametrize("column", ["input", "context", "service_kwargs", "dispatch"])
@pytest.mark.sampled(5)
def test_broken_json_is_set_aside(bad: str, column: str, client: Client, admin_client: Client) -> None:
    broken, sound = queued(), queued()
    write(broken, column, bad)
    everything_answers(client, admin_client, broken)
    assert [call.pk for call in claim(10, "w1")] == [sound.pk]
    broken.refresh_from_db()
    assert (broken.error_code, column in (broken.error or "")) == ("unreadable", True)
    with pytest.raises(ValueError, match="not written back"):
        broken.save()


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL checks what it is given")
@pytest.mark.parametrize(("column", "value"), [("error", b"\xff\xfe"), ("cost", "many"), ("correlation_id", "no")])
def test_other_values_that_are_none_are_read(column: str, value: Any, client: Client, admin_client: Client) -> None:
    broken, sound = queued(), queued()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE service_call_record SET {column} = CAST(%s AS TEXT) WHERE id = %s",  # noqa: S608
            [value, broken.pk],
        )
    everything_answers(client, admin_client, broken)
    assert {call.pk for call in claim(10, "w1")} >= {sound.pk}


@pytest.mark.parametrize("column", ["errors", "durations"])
@pytest.mark.parametrize(
    "stored", ['"text"', "[[1]]", "7", '{"a": "x", "99999": 1, "3": null, "4": 0, "x": 2}', "[" * 2000]
)
@pytest.mark.sampled(4)
def test_sums_that_cannot_be_read_spoil_no_figures(column: str, stored: str, admin_client: Client) -> None:
    if connection.vendor == "postgresql" and stored.startswith("[" * 3):
        stored = "[]"  # it keeps no text that is not JSON
    now = database_now().replace(second=0, microsecond=0)
    for name in ("broken", "sound"):
        row = CallRollup.objects.create(
            span=Span.MINUTE, starts_at=now, service_identity=name, succeeded=1, durations={"3": 1}
        )
        if name == "broken":
            write(row, column, stored)
    assert admin_client.get("/admin/").status_code == 200
    assert admin_client.get("/api/v1/stats").status_code == 200
    roll_up(now=now + timedelta(hours=3))
    assert admin_client.get("/admin/").status_code == 200
