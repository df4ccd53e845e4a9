"""The order of the queue: priority, and a wait that grows into priority, so that nothing starves."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from orchestration.engine.queue.claim import claim
from orchestration.models import ServiceCallRecord
from orchestration.models.priority_aging import AGING_SECONDS
from tests.orchestration.factories import queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def waiting(priority, seconds):
    return queued(priority=priority, due_at=timezone.now() - timedelta(seconds=seconds))


def order():
    return [record.pk for record in claim(10, "w1")]


def test_higher_priority_goes_first_and_equals_as_they_fall_due():
    late, early, urgent = waiting(0, 1), waiting(0, 2), waiting(1, 0)
    assert order() == [urgent.pk, early.pk, late.pk]


@pytest.mark.parametrize(("waited", "goes_first"), [(AGING_SECONDS * 10 - 5, False), (AGING_SECONDS * 10 + 5, True)])
def test_each_step_of_priority_is_worth_the_stated_wait(waited, goes_first):
    low, high = waiting(-5, waited), waiting(5, 0)
    assert order() == ([low.pk, high.pk] if goes_first else [high.pk, low.pk])


@pytest.mark.parametrize("arrivals", [1, 2])
def test_a_low_priority_is_overtaken_only_within_the_bound(arrivals):
    """Half an AGING_SECONDS passes between two claims (rows grow older); urgent calls come meanwhile."""
    low = queued(priority=-5)
    step = timedelta(seconds=AGING_SECONDS / 2)
    bound = 10 * AGING_SECONDS / step.total_seconds() * arrivals
    overtaken = 0
    while overtaken <= bound:
        for _ in range(arrivals):
            queued(priority=5, due_at=timezone.now())
        if claim(1, "w1")[0].pk == low.pk:
            break
        overtaken += 1
        ServiceCallRecord.objects.queued().update(due_at=F("due_at") - step)
    assert bound - 2 <= overtaken <= bound


def test_waiting_for_a_planned_time_does_not_count_as_waiting():
    planned = queued(
        priority=0, due_at=timezone.now() - timedelta(seconds=1), created_at=timezone.now() - timedelta(days=1)
    )
    urgent = waiting(1, 0)
    assert order() == [urgent.pk, planned.pk]


@pytest.mark.parametrize("priority", [-32768, 32767])
def test_the_extremes_of_priority_have_a_place(priority):
    extreme, plain = waiting(priority, 0), waiting(0, 0)
    assert order() == ([extreme.pk, plain.pk] if priority > 0 else [plain.pk, extreme.pk])


def test_the_order_is_read_from_the_index_not_sorted():
    for number in range(300):
        waiting(number % 7, number)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE service_call_record")
    plan = ServiceCallRecord.objects.claimable()[:10].explain()
    assert "call_due" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
