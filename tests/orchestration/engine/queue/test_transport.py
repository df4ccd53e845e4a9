"""Tasks and wake-ups on their way to the broker."""

import pytest
from django.db import connection
from django_q.models import OrmQ

from orchestration.engine.queue import transport
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.queue.transport import send_task, wake
from orchestration.models import EngineCounter, ServiceCallRecord
from tests.engineapp.orca.services.triage import Triage

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def _no_recent_wake():
    transport._last_wake.clear()


def spec():
    return CallSpec(service=Triage, context={"ticket": "it burns"})


@pytest.mark.django_db(transaction=True)
def test_second_wake_within_the_window_is_coalesced():
    assert wake() is True
    assert wake() is False
    assert wake(force=True) is True
    assert OrmQ.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_failing_broker_costs_the_caller_nothing(caplog):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_q_ormq RENAME TO broken_ormq")
    try:
        assert send_task("orchestration.tasks.sweep") is False
        submit(spec())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE broken_ormq RENAME TO django_q_ormq")
    assert ServiceCallRecord.objects.count() == 1
    assert EngineCounter.read("wakes_lost") == 2
    assert "wake lost" in caplog.text
