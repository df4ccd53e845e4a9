"""What an operator may do to a call in which state."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from orchestration.engine.queue.claim import claim
from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from tests.orchestration.factories import failed, queued, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def succeeded():
    return queued(status="succeeded", finished_at=timezone.now(), result={})


def test_a_failed_call_is_retried_on_its_row_with_new_attempts():
    record = failed(failures=3, attempts=3, deaths=2, error="boom", retryable=True)
    record.retry()
    record.refresh_from_db()
    assert (record.status, record.failures, record.deaths, record.attempts) == ("queued", 0, 0, 3)
    assert (record.error, record.error_code, record.finished_at) == (None, "", None)


def test_the_duration_of_a_retried_call_begins_at_its_next_claim():
    """A call of yesterday that is retried today did not take a day."""
    yesterday = timezone.now() - timedelta(days=1)
    record = failed(started_at=yesterday, created_at=yesterday)
    record.retry()
    record.refresh_from_db()
    assert record.started_at is None
    (claimed,) = claim(1, "w")
    assert claimed.started_at > yesterday + timedelta(hours=23)


@pytest.mark.parametrize("make", [queued, running, succeeded])
def test_only_a_failed_or_cancelled_call_is_retried(make):
    record = make()
    with pytest.raises(TransitionRefused, match=f"{record.pk} is {record.status} and cannot be retried"):
        record.retry()


def test_a_queued_call_is_cancelled_at_once():
    record = queued()
    record.cancel()
    record.refresh_from_db()
    assert (record.status, record.error_code) == ("cancelled", "cancelled")


def test_a_running_call_is_asked_to_stop():
    record = running()
    record.cancel()
    record.refresh_from_db()
    assert record.status == "running"
    assert record.cancel_requested_at is not None


@pytest.mark.parametrize("make", [failed, succeeded])
def test_a_finished_call_cannot_be_cancelled(make):
    record = make()
    with pytest.raises(TransitionRefused, match="cannot be cancelled"):
        record.cancel()


def test_a_transition_decides_on_the_row_not_on_the_callers_copy():
    stale = failed()
    ServiceCallRecord.objects.get(pk=stale.pk).retry()
    with pytest.raises(TransitionRefused, match="queued"):
        stale.retry()


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "nonsense"},
        {"status": "running", "lease_expires_at": None},
        {"status": "failed", "finished_at": None},
        {"domain_persist_state": "nonsense"},
        {"domain_persist_state": "pending", "next_persist_at": timezone.now()},
    ],
)
def test_the_database_refuses_impossible_rows(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        queued(**broken)


def test_domain_persisted_follows_the_state():
    record = queued(status="succeeded", finished_at=timezone.now(), domain_persist_state="persisted")
    record.refresh_from_db()
    assert record.domain_persisted is True
