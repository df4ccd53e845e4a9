"""A transition happens for one of those who try it, and the others learn what the row is now."""

from __future__ import annotations

import pytest
from django.utils import timezone

from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from tests.orchestration.factories import queued

pytestmark = pytest.mark.django_db


def end(call: ServiceCallRecord, status: Status, why: str) -> bool:
    return call.compare_and_set("status", (Status.QUEUED,), status=status, error=why, finished_at=timezone.now())


def test_the_first_changes_row_and_instance() -> None:
    call = queued()
    assert end(call, Status.CANCELLED, "first")
    assert (call.status, call.error) == (Status.CANCELLED, "first")
    call.refresh_from_db()
    assert (call.status, call.error) == (Status.CANCELLED, "first")


def test_the_second_is_told_what_the_row_is() -> None:
    call = queued()
    late = ServiceCallRecord.objects.get(pk=call.pk)
    assert end(call, Status.CANCELLED, "first")
    assert not end(late, Status.FAILED, "second")
    assert late.status == Status.CANCELLED
    assert ServiceCallRecord.objects.get(pk=call.pk).error == "first"
