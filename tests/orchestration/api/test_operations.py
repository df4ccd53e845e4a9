"""Retry and cancel over REST."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from tests.orchestration.api.conftest import Caller
from tests.orchestration.factories import failed, queued, running


def test_the_owner_retries_a_failed_call_and_it_waits_again(ann: Caller) -> None:
    call = failed(requested_by=ann.user)
    answer = ann.post(f"/service-calls/{call.pk}/retry")
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    call.refresh_from_db()
    assert (call.status, call.error_code, call.finished_at) == (Status.QUEUED, "", None)


def test_the_owner_cancels_a_queued_call(ann: Caller) -> None:
    call = queued(requested_by=ann.user)
    assert ann.post(f"/service-calls/{call.pk}/cancel").json()["status"] == "cancelled"


def test_a_running_call_is_asked_to_stop(ann: Caller) -> None:
    call = running(requested_by=ann.user)
    told = ann.post(f"/service-calls/{call.pk}/cancel").json()
    assert told["status"] == "running"
    assert told["cancel_requested_at"] is not None


@pytest.mark.parametrize("verb", ["retry", "cancel"])
def test_what_the_status_does_not_allow_is_409_with_the_reason(ann: Caller, verb: str) -> None:
    call = queued(requested_by=ann.user) if verb == "retry" else failed(requested_by=ann.user)
    answer = ann.post(f"/service-calls/{call.pk}/{verb}")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert call.status in answer.json()["message"]


def test_an_operator_may_operate_foreign_calls(operator: Caller) -> None:
    assert operator.post(f"/service-calls/{failed().pk}/retry").status_code == 200
    assert operator.post(f"/service-calls/{queued().pk}/cancel").status_code == 200


def test_seeing_a_foreign_call_is_not_enough_to_operate_it(caller: Any) -> None:
    viewer = caller("viewer", permissions=("view_servicecallrecord",))
    call = failed()
    answer = viewer.post(f"/service-calls/{call.pk}/retry")
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")
    assert ServiceCallRecord.objects.get(pk=call.pk).status == Status.FAILED


def test_operating_needs_the_scope_also_for_the_owner(caller: Any) -> None:
    reader = caller("reader", scopes=("calls:read", "calls:write"))
    call = failed(requested_by=reader.user)
    answer = reader.post(f"/service-calls/{call.pk}/retry")
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


def test_a_foreign_call_that_one_may_not_see_is_not_found(ann: Caller) -> None:
    assert ann.post(f"/service-calls/{failed().pk}/retry").status_code == 404
