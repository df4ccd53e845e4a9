"""`Prefer: wait=N`."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import AsyncClient, Client
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from orchestration.api.prefer_wait import preferred_wait, wait_until_finished
from orchestration.api.sse import UNAVAILABLE, EventStream
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.states import Status
from tests.orchestration.api.conftest import Caller
from tests.orchestration.factories import queued


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ("wait=3600", 60),
        (None, 0),
        ("", 0),
        ("wait=x", 0),
        ("await=5", 0),
        ("wait=99999999", 60),
        ("wait=999999999999999", 60),
        ("Wait = 7", 7),
        ('wait="8"', 8),
        ("wait=9; note", 9),
        ("respond-async,return=minimal,wait=3", 3),
        ("wait=0", 0),
        ("wait=-5", 0),
        ("wait=1e9", 0),
        ("wait=1.5", 0),
        ("wait=\u0665", 0),
        ("wait=" + "9" * 200, 0),
    ],
)
def test_the_wait_is_read_from_the_header(header: str | None, seconds: int) -> None:
    assert preferred_wait(header) == seconds


@pytest.mark.django_db(transaction=True)
def test_waiting_ends_when_another_thread_finishes_the_call() -> None:
    user = User.objects.create_superuser("ann@example.com", "pw")
    _, secret = ApiKey.issue(user, "k", ("calls:write", "calls:read"))

    def finish() -> None:
        deadline = time.monotonic() + 10
        while not ServiceCallRecord.objects.queued().exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        ServiceCallRecord.objects.queued().first().cancel()
        connection.close()

    worker = threading.Thread(target=finish)
    worker.start()
    answer = asyncio.run(_post(secret))  # 202 if it had waited for the whole time
    worker.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def _post(secret: str):
    body = {"service": "engineapp.default.Triage", "context": {"ticket": "t"}}
    headers = {"authorization": f"Bearer {secret}", "prefer": "wait=30"}
    return await AsyncClient().post("/api/v1/service-calls", body, content_type="application/json", headers=headers)


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_between_two_looks() -> None:
    call = queued()

    async def look() -> bool:
        return await wait_until_finished(call.pk, 0)

    assert asyncio.run(look()) is False
    ServiceCallRecord.objects.filter(pk=call.pk).update(status=Status.CANCELLED, finished_at=call.created_at)
    assert asyncio.run(look()) is True


class Lost:
    """Stands where a wait looks: the connection is lost at its second look."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error
        self.looks = 0

    def __call__(self, *args: object, **options: object) -> bool:
        self.looks += 1
        if self.looks > 1:
            raise self.error("server closed the connection unexpectedly")
        return False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_lost_while_waiting_is_503_with_the_link(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(ServiceCallQuerySet, "exists", Lost(error))
    _, secret = ApiKey.issue(User.objects.create_superuser("ann@example.com", "pw"), "k", ("calls:write", "calls:read"))
    answer = asyncio.run(_post(secret))
    call = ServiceCallRecord.objects.get()
    told = answer.json()
    assert (answer.status_code, told["code"], answer["Retry-After"]) == (503, "database_away", "5")
    assert answer["Location"] == told["details"]["location"] == f"/api/v1/service-calls/{call.pk}"
    monkeypatch.undo()
    found = Client().get(answer["Location"], headers={"authorization": f"Bearer {secret}"})
    assert (found.status_code, found.json()["status"]) == (200, "queued")


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_session_that_postgres_ends_while_waiting_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is ended by the server in the middle of a look, and the next request has a new one."""
    looks = []

    def end_own_session(rows: ServiceCallQuerySet) -> bool:
        looks.append(rows)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())" if len(looks) > 1 else "SELECT 1")
        return False

    monkeypatch.setattr(ServiceCallQuerySet, "exists", end_own_session)
    _, secret = ApiKey.issue(User.objects.create_superuser("ann@example.com", "pw"), "k", ("calls:write", "calls:read"))
    answer = asyncio.run(_post(secret))
    assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
    monkeypatch.undo()
    found = Client().get(answer["Location"], headers={"authorization": f"Bearer {secret}"})
    assert found.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_call_that_fails_meanwhile_is_the_answer() -> None:
    _, secret = ApiKey.issue(User.objects.create_superuser("ann@example.com", "pw"), "k", ("calls:write", "calls:read"))

    def fail() -> None:
        deadline = time.monotonic() + 10
        while not (rows := ServiceCallRecord.objects.queued()).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        rows.update(status=Status.FAILED, error_code="refused", error="no", finished_at=timezone.now())
        connection.close()

    worker = threading.Thread(target=fail)
    worker.start()
    answer = asyncio.run(_post(secret))
    worker.join()
    told = answer.json()
    assert (answer.status_code, told["status"], told["error_code"]) == (200, "failed", "refused")


@pytest.mark.django_db
def test_any_request_without_a_database_is_503(ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.api.calls.newest_first", Lost(OperationalError))
    ann.get("/service-calls")
    told = ann.get("/service-calls")
    assert (told.status_code, told.json()["code"], told["Retry-After"]) == (503, "database_away", "5")


@pytest.mark.django_db
def test_a_stream_without_a_database_says_so_and_ends() -> None:
    away = Lost(OperationalError)
    away()
    stream = EventStream(away, after=7)
    texts = list(stream.texts())
    assert texts[-1] == UNAVAILABLE
    assert "id:" not in texts[-1]
    assert (stream.ended, stream.after) == (True, 7)
