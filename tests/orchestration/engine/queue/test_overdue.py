"""What waits longest beyond its time is found however little urgent it is, and whatever the queue is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.clock import database_now
from orchestration.engine.queue import overdue
from orchestration.engine.queue.overdue import longest_due, longest_pending
from orchestration.models import ServiceCallRecord
from orchestration.models.states import OrderingPolicy, PersistState, Status
from tests.orchestration.factories import failed, queued, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def now() -> datetime:
    return database_now()


def due(now: datetime, minutes: float, **fields: Any) -> ServiceCallRecord:
    return queued(due_at=now - timedelta(minutes=minutes), **fields)


def pending(now: datetime, minutes: float, **fields: Any) -> ServiceCallRecord:
    return queued(
        status=Status.SUCCEEDED,
        finished_at=now,
        domain_persist_state=PersistState.PENDING,
        next_persist_at=now - timedelta(minutes=minutes),
        **fields,
    )


def test_it_is_the_one_due_longest_and_not_the_most_urgent(now: datetime) -> None:
    assert longest_due(now) is None
    due(now, 1, priority=100), due(now, -5)
    old = due(now, 9, priority=-100)
    assert longest_due(now) == old
    assert longest_due(now - timedelta(minutes=10)) is None


def test_calls_that_wait_for_others_of_their_key_are_not_overdue(now: datetime) -> None:
    due(now, 30, ordering_key="held", sequence=2)
    failed(ordering_key="held", sequence=1, ordering_policy=OrderingPolicy.HOLD)
    due(now, 20, ordering_key="busy", sequence=2)
    running(ordering_key="busy", sequence=1)
    behind = due(now, 15, ordering_key="chat", sequence=2)
    head = due(now, 10, ordering_key="chat", sequence=1)
    due(now, 5)
    assert longest_due(now) == head
    head.delete()
    assert longest_due(now) == behind, "it is its turn"


@pytest.mark.parametrize("key", ["", "b"])
def test_it_is_found_behind_many_that_wait_for_others(now: datetime, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "LOOKED_AT", 3)
    failed(ordering_key="a", sequence=1, ordering_policy=OrderingPolicy.HOLD)
    for number in range(5):
        due(now, 60 - number, ordering_key="a", sequence=2 + number)
    assert longest_due(now) is None
    found = due(now, 3, ordering_key=key, sequence=1 if key else 0)
    due(now, 2), due(now, 1, ordering_key="c", sequence=1)
    assert longest_due(now) == found


def test_of_results_it_is_the_one_due_longest_too(now: datetime) -> None:
    assert longest_pending(now) is None
    pending(now, 1, priority=50), pending(now, -1)
    old = pending(now, 9, priority=-5)
    assert longest_pending(now) == old


def test_it_reads_the_index_of_due_times_and_sorts_nothing(now: datetime) -> None:
    due(now, 2), pending(now, 2)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # of one row another way would be better
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    with CaptureQueriesContext(connection) as captured:
        longest_due(now), longest_pending(now)
    first, _, of_results = [query["sql"] for query in captured]
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    for sql, index in ((first, "call_longest_due"), (of_results, "call_longest_pending")):
        with connection.cursor() as cursor:
            cursor.execute(f"{explain} {sql}")
            plan = str(cursor.fetchall())
        assert index in plan, plan
        assert "Sort" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan
