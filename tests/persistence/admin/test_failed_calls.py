"""The page of failed calls by cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from persistence.bulk.worker import work
from persistence.models import BulkRun
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
PAGE = reverse("admin:persistence_failed_calls")
SECRET = "Mrs Jones"


def html(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_a_group_is_understood_and_retried(root: Client) -> None:
    calls = [failed(error_code="timeout", error=f"No answer within {seconds} s.") for seconds in (30, 31)]
    queued(error_code="timeout", error="No answer within 9 s.", failures=1)
    page = html(root.get(PAGE))
    assert "2 failed calls and 1 that fails and will be tried again in 1 group" in page
    assert "3 times timeout" in page
    assert "No answer came in time" in page
    assert "No answer within" in page
    group = root.get(PAGE).context["groups"][0]["group"]
    page = html(root.post(PAGE, {"fingerprint": group.fingerprint, "do": "retry"}, follow=True))
    assert "<strong>2 calls</strong> will be queued again" in page
    run = BulkRun.objects.get()
    root.post(reverse("admin:persistence_run_steer", args=(run.pk, "start")))
    work(run.pk)
    assert set(ServiceCallRecord.objects.values_list("status", flat=True)) == {Status.QUEUED}
    assert "This group is empty by now." in html(root.post(PAGE, {"fingerprint": group.fingerprint}, follow=True))
    assert [call.pk for call in calls]


def test_it_compares_with_what_went_well(root: Client) -> None:
    succeeded(result={"structured_data": {"urgency": 3}})
    schema = "schemas.engineapp.default.TriageOutputSchema"
    failed(error_code="invalid_output", error="urgency: Input should be a valid integer", schema_identity=schema)
    page = html(root.get(PAGE))
    assert "urgency in accepted answers" in page
    assert "number of 1 digits" in page


def test_messages_are_for_those_who_may_read_content(staff: Callable[..., Client]) -> None:
    failed(error_code="out_of_paper", error=SECRET)
    page = html(staff("view_servicecallrecord").get(PAGE))
    assert "out_of_paper" in page
    assert SECRET not in page
    assert ">Retry 1<" not in page
    assert staff("view_persistedchunk").get(PAGE).status_code == 403
    group = staff("view_servicecallrecord").get(PAGE).context["groups"][0]["group"]
    denied = staff("view_servicecallrecord").post(PAGE, {"fingerprint": group.fingerprint, "do": "retry"})
    assert denied.status_code == 403
