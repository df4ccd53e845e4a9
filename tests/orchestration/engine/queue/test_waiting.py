"""Why a queued call does not run: each reason, and what would let it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orchestration.admin.call_actions import call_url
from orchestration.admin.call_detail import remedy_url
from orchestration.causes.groups import failed_groups
from orchestration.causes.known import KNOWN, known
from orchestration.clock import database_now
from orchestration.engine.execution import completion
from orchestration.engine.queue.waiting import waits_of
from orchestration.errors import PUT_OFF, PutOff
from orchestration.models import Pause, ProviderCircuit, RateLimit, ServiceCallRecord, WorkerNode
from orchestration.models.states import OrderingPolicy, PersistState, Status
from tests.orchestration.factories import SERVICE, failed, queued, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def now() -> datetime:
    moment = database_now()
    WorkerNode.objects.create(name="node-1", beat_at=moment)
    return moment


def call(**fields: object) -> ServiceCallRecord:
    return queued(**{"client": "default", "model_requested": "gpt-4o", **fields})


def codes(record: ServiceCallRecord) -> list[str]:
    return [wait.code for wait in waits_of(record)]


def test_what_nothing_holds_stands_in_line() -> None:
    assert codes(call()) == ["queue"]
    assert waits_of(running()) == []
    assert waits_of(failed()) == []


def test_a_call_that_is_not_due_says_when_and_why(now: datetime) -> None:
    later = now + timedelta(hours=1)
    (scheduled,) = waits_of(call(due_at=later))
    assert (scheduled.code, scheduled.until) == ("not_due", later)
    assert "scheduled" in scheduled.why
    for failed_before in ({"failures": 1}, {"error_code": "timeout"}):
        (again,) = waits_of(call(due_at=later, attempts=2, **failed_before))
        assert again.why == "Attempt 2 failed; the next one waits"


def kinds_of(kind: type[PutOff]) -> Iterator[type[PutOff]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds_of(each)


def test_whatever_puts_a_call_off_says_what_it_waits_for() -> None:
    """A new kind must be explained, and have a page; so must a new place that queues calls again."""
    assert {kind.code for kind in kinds_of(PutOff)} == PUT_OFF
    assert set(KNOWN) >= PUT_OFF
    reverse("admin:index")  # loads the pages, which say where they are
    assert all(remedy_url(code) for code in PUT_OFF)
    queues_again = {
        function.name
        for function in ast.walk(ast.parse(inspect.getsource(completion)))
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef) and "Status.QUEUED" in ast.unparse(function)
    }
    assert queues_again == {"_failed", "_put_off", "interrupted"}, "which of the sentences is true of the new one?"


@pytest.mark.parametrize("code", sorted(PUT_OFF))
@pytest.mark.parametrize("failures", [0, 2])
def test_a_call_that_was_put_off_has_not_failed(admin_client: Client, now: datetime, code: str, failures: int) -> None:
    """Also if it failed before, or will be looked at again some time."""
    record = call(due_at=now + timedelta(hours=1), error_code=code, error="As it was told.", failures=failures)
    (wait,) = waits_of(record)
    assert (wait.code, wait.why, wait.remedy, wait.until) == (code, known(code).said, known(code).remedy, None)
    page = admin_client.get(call_url(record.pk)).content.decode()
    assert f"{known(code).said}." in page
    assert f'href="{remedy_url(code)}"' in page
    assert "Why the last attempt failed" not in page
    assert "failed for the same cause" not in page
    assert failed_groups() == ([], False)


@pytest.mark.parametrize(
    ("kind", "name", "holds"),
    [
        ("service", SERVICE, True),
        ("service", "services.engineapp.default.Other", False),
        ("model", "default/gpt-4*", True),
        ("model", "*/*", True),
        ("model", "other/gpt-4o", False),
    ],
)
def test_a_pause_is_named_with_its_reason(kind: str, name: str, holds: bool) -> None:
    Pause.start(kind, name, reason="the provider is in trouble")
    found = waits_of(call())
    assert [wait.code for wait in found] == (["paused"] if holds else ["queue"])
    assert ("the provider is in trouble" in found[0].why) is holds


@pytest.mark.parametrize(
    ("first", "stage", "remedy"),
    [
        ({}, "queued", "has ended"),
        ({"status": Status.RUNNING, "lease_expires_at": database_now()}, "running", "has ended"),
        (
            {
                "status": Status.SUCCEEDED,
                "domain_persist_state": PersistState.PENDING,
                "next_persist_at": database_now(),
                "finished_at": database_now(),
            },
            "not persisted yet",
            "has ended",
        ),
        (
            {"status": Status.FAILED, "ordering_policy": OrderingPolicy.HOLD, "finished_at": database_now()},
            "failed",
            "Retry or cancel",
        ),
        (
            {
                "status": Status.SUCCEEDED,
                "ordering_policy": OrderingPolicy.HOLD,
                "domain_persist_state": PersistState.DEAD,
                "finished_at": database_now(),
            },
            "dead",
            "Reprocess",
        ),
        (
            {
                "status": Status.SUCCEEDED,
                "ordering_policy": OrderingPolicy.HOLD,
                "domain_persist_state": PersistState.HELD,
                "finished_at": database_now(),
            },
            "waiting for approval",
            "Approve or reject",
        ),
    ],
)
def test_the_call_before_it_is_named(first: dict[str, object], stage: str, remedy: str) -> None:
    before = call(ordering_key="case:1", sequence=1, **first)
    (wait,) = waits_of(call(ordering_key="case:1", sequence=2))
    assert (wait.code, wait.call_id) == ("order", before.pk)
    assert wait.why == f"Number 1 of case:1 comes first: it is {stage}"
    assert remedy in wait.remedy


def test_a_call_that_ended_holds_up_nobody() -> None:
    failed(ordering_key="case:1", sequence=1)
    assert codes(call(ordering_key="case:1", sequence=2)) == ["queue"]


def test_an_open_circuit_says_until_when(now: datetime) -> None:
    until = now + timedelta(seconds=40)
    ProviderCircuit.objects.create(client="default", state="open", retry_at=until, last_error_code="timeout")
    (wait,) = waits_of(call())
    assert (wait.code, wait.until) == ("circuit_open", until)
    assert "timeout" in wait.why
    assert codes(call(client="other")) == ["queue"]


def test_each_way_in_which_a_limit_is_used_up(now: datetime) -> None:
    full = {"refilled_at": now}
    RateLimit.objects.create(pattern="default/gpt-4o", requests_per_minute=60, requests_available=0, **full)
    assert "60 requests a minute are used up" in waits_of(call())[0].why
    RateLimit.objects.update(requests_available=6)
    assert codes(call()) == ["queue"]
    RateLimit.objects.update(requests_per_minute=None, tokens_per_minute=1000, tokens_available=0)
    assert "1000 tokens a minute are used up" in waits_of(call())[0].why
    RateLimit.objects.update(tokens_per_minute=None, parallel=1)
    assert codes(call()) == ["queue"]
    running(client="default", model_requested="gpt-4o")
    assert "1 calls run at the same time" in waits_of(call())[0].why
    blocked = now + timedelta(seconds=30)
    RateLimit.objects.update(parallel=None, blocked_until=blocked)
    (wait,) = waits_of(call())
    assert (wait.why, wait.until) == ("The limit of default/gpt-4o: the provider asked to wait", blocked)


def test_without_a_worker_nothing_runs(now: datetime) -> None:
    WorkerNode.objects.update(beat_at=now - timedelta(seconds=10))
    assert codes(call()) == ["no_worker"]


def test_all_reasons_are_told_at_a_fixed_price(now: datetime) -> None:
    WorkerNode.objects.update(stopping=True)
    Pause.start("model", "*/*"), Pause.start("service", SERVICE)
    call(ordering_key="k", sequence=1)
    record = call(ordering_key="k", sequence=2, due_at=now + timedelta(days=1))
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert codes(record) == ["not_due", "order", "paused", "paused", "no_worker"]
    assert len(captured) <= 8


def test_the_page_of_a_call_says_it_with_the_way_out(admin_client: Client) -> None:
    Pause.start("model", "default/gpt-4o", reason="too expensive")
    before = call(ordering_key="k", sequence=1)
    page = admin_client.get(call_url(call(ordering_key="k", sequence=2).pk)).content.decode()
    assert "Why it is not running" in page
    assert "too expensive" in page
    assert "default/gpt-4o, not asked yet" in page
    nowhere = admin_client.get(call_url(call(client="", model_requested="").pk)).content.decode()
    assert "/, not asked yet" not in nowhere
    assert "not asked yet" in nowhere
    asked = admin_client.get(
        call_url(failed(client="default", model_requested="gpt-4o", attempts=3).pk)
    ).content.decode()
    assert "default/gpt-4o, gave no answer" in asked
    assert "not asked yet" not in asked
    assert f'href="{call_url(before.pk)}"' in page
    assert re.search(r'<a class="orca-link" href="/admin/orchestration/pause/[^"]*">', page), "besides that of the menu"
    assert "Why it is not running" not in admin_client.get(call_url(failed().pk)).content.decode()
