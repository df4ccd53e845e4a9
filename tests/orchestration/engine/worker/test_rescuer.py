"""Calls of dead workers."""

import pytest

from orchestration import signals
from orchestration.engine.worker.rescuer import UNKNOWN_ATTEMPTS, rescue
from orchestration.models import AIRequestAudit, EngineCounter
from orchestration.models.audits import Outcome
from tests.orchestration.factories import expired, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_a_call_with_an_expired_lease_is_requeued_with_one_death():
    record = expired(attempts=1, failures=1)
    assert rescue().requeued == 1
    record.refresh_from_db()
    assert (record.status, record.deaths, record.failures) == ("queued", 1, 1)


def test_a_call_with_a_valid_lease_is_left_alone():
    record = running()
    assert rescue().requeued == 0
    record.refresh_from_db()
    assert record.status == "running"


def test_what_the_dead_worker_had_sent_is_unknown_and_counted():
    record = expired(attempts=1)
    request_audit(record).save()
    assert rescue().unknown == 1
    assert AIRequestAudit.objects.get().outcome == Outcome.UNKNOWN
    assert EngineCounter.read(UNKNOWN_ATTEMPTS) == 1


def test_an_attempt_that_was_answered_stays_answered():
    record = expired(attempts=1)
    request_audit(record, outcome=Outcome.ANSWERED).save()
    rescue()
    assert AIRequestAudit.objects.get().outcome == Outcome.ANSWERED


def test_a_call_that_kills_its_workers_is_poisoned_with_evidence():
    heard = []

    def listen(**payload):
        heard.append((payload["call_id"], payload["error_code"]))

    signals.ai_response_failed.connect(listen)
    try:
        record = expired(deaths=3, attempts=4, worker="node:77:ab")
        assert rescue().poisoned == 1
    finally:
        signals.ai_response_failed.disconnect(listen)
    record.refresh_from_db()
    assert (record.status, record.error_code, record.deaths) == ("failed", "poisoned", 4)
    assert "died 4 times" in record.error
    assert "node:77:ab" in record.error
    assert record.finished_at is not None
    assert heard == [(record.pk, "poisoned")]


def test_a_cancelled_call_ends_cancelled_when_its_worker_dies():
    record = expired()
    record.cancel()
    assert rescue().cancelled == 1
    record.refresh_from_db()
    assert (record.status, record.error_code) == ("cancelled", "cancelled")
