"""What the doctor finds about the broker and the schedules."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import Schedule

from orchestration.django_q import examinations, schedules
from orchestration.django_q.redis_broker import RedisBroker
from tests.orchestration.doctor.findings import findings

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_periodic_work_that_is_overdue_or_missing_is_found():
    schedules.create_all()
    row, gone = Schedule.objects.order_by("name")[:2]
    Schedule.objects.filter(pk=row.pk).update(next_run=timezone.now() - timedelta(hours=1))
    gone.delete()
    found = findings()
    assert (row.name in found["orchestration.E222"].message, gone.name in found["orchestration.W141"].message) == (
        True,
        True,
    )


def test_a_broker_that_does_not_answer_is_found(monkeypatch):
    monkeypatch.setattr("django_q.conf.Conf.REDIS", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(examinations, "get_broker", RedisBroker)
    found = findings()["orchestration.E221"]
    assert ("ConnectionError" in found.message, "Calls are kept" in found.mend) == (True, True)
