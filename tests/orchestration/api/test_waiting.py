"""`Prefer: wait=N`."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from django.db import connection
from django.test import AsyncClient

from apps.accounts.models import ApiKey, User
from orchestration.api_waiting import preferred_wait, wait_until_finished
from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
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
    ],
)
def test_the_wait_is_read_from_the_header(header: str | None, seconds: int) -> None:
    assert preferred_wait(header) == seconds


@pytest.mark.django_db(transaction=True)
def test_waiting_ends_as_soon_as_another_thread_finishes_the_call() -> None:
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
    started = time.monotonic()
    answer = asyncio.run(_post(secret))
    worker.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert time.monotonic() - started < 20


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
