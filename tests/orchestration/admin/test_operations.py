"""Retry and cancel: confirmed, permitted, logged, and through the model's transitions alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from orchestration.values.uuid_keys import new_call_id
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed, queued, running

LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def act(client: Client, action: str, *calls: ServiceCallRecord, **more: str) -> Any:
    data = {"action": action, "_selected_action": [call.pk for call in calls], **more}
    return client.post(LIST, data, follow=True)


def one(client: Client, verb: str, call: ServiceCallRecord, **data: str) -> Any:
    url = reverse(f"admin:orchestration_servicecallrecord_{verb}_call", args=(call.pk,))
    return client.post(url, data, follow=True) if data else client.get(url)


def statuses(*calls: ServiceCallRecord) -> list[str]:
    found = dict(ServiceCallRecord.objects.values_list("pk", "status"))
    return [found[call.pk] for call in calls]


def test_the_confirmation_counts_what_it_touches_and_why_not(root: Client) -> None:
    calls = [failed(), failed(), succeeded(), running()]
    html = act(root, "retry_selected", *calls).content.decode()
    assert "2 calls</strong> will be queued again" in html
    assert "2 calls</strong> will be left alone" in html
    assert "1: succeeded; only failed and cancelled calls are retried" in html
    assert "1: running; only failed and cancelled calls are retried" in html
    assert statuses(*calls) == ["failed", "failed", "succeeded", "running"]


def test_confirming_retries_logs_each_call_and_reports_the_rest(root: Client) -> None:
    calls = [failed(), failed(), running()]
    response = act(root, "retry_selected", *calls, confirmed="yes", reason="provider is back")
    assert statuses(*calls) == ["queued", "queued", "running"]
    told = [str(message) for message in response.context["messages"]]
    assert told == [
        "2 calls queued again.",
        "1 call left alone: running; only failed and cancelled calls are retried.",
    ]
    entries = LogEntry.objects.filter(change_message="Retry. provider is back")
    assert {entry.object_id for entry in entries} == {calls[0].pk, calls[1].pk}


def test_cancel_ends_queued_calls_and_asks_running_ones_to_stop(root: Client) -> None:
    calls = [queued(), running(), failed()]
    act(root, "cancel_selected", *calls, confirmed="yes")
    assert statuses(*calls) == ["cancelled", "running", "failed"]
    assert ServiceCallRecord.objects.get(pk=calls[1].pk).cancel_requested_at is not None
    assert LogEntry.objects.count() == 2


def test_a_call_that_was_asked_to_stop_is_not_asked_again(root: Client) -> None:
    call = running()
    call.cancel()
    assert "asked to stop before" in act(root, "cancel_selected", call).content.decode()


def test_a_call_that_moved_since_the_confirmation_is_left_alone(root: Client) -> None:
    call = failed()
    act(root, "retry_selected", call)
    ServiceCallRecord.objects.filter(pk=call.pk).update(status=Status.SUCCEEDED)
    response = act(root, "retry_selected", call, confirmed="yes")
    assert "1 call left alone: succeeded" in response.content.decode()
    assert not LogEntry.objects.exists()


def test_calls_that_left_the_filtered_list_are_still_found(root: Client) -> None:
    call = failed()
    data = {"action": "retry_selected", "_selected_action": [call.pk], "confirmed": "yes"}
    root.post(f"{LIST}?status__exact=failed", data)
    assert statuses(call) == ["queued"]


def test_a_selection_that_no_longer_exists_is_reported(root: Client) -> None:
    response = root.post(
        LIST, {"action": "retry_selected", "_selected_action": [new_call_id()], "confirmed": "yes"}, follow=True
    )
    assert "The selected calls no longer exist." in response.content.decode()


def test_one_call_is_retried_from_its_page_after_a_confirmation(root: Client) -> None:
    call = failed()
    assert "1 call</strong> will be queued again" in one(root, "retry", call).content.decode()
    assert statuses(call) == ["failed"]
    response = one(root, "retry", call, confirmed="yes", reason="again")
    assert statuses(call) == ["queued"]
    assert response.request["PATH_INFO"].endswith(f"{call.pk}/change/")
    assert LogEntry.objects.filter(change_message="Retry. again", object_id=call.pk).exists()


def test_a_call_that_cannot_be_retried_offers_no_button(root: Client) -> None:
    html = one(root, "retry", queued()).content.decode()
    assert "None of these calls will be touched." in html
    assert "Retry 0" not in html


def test_a_reason_that_is_too_long_is_refused(root: Client) -> None:
    call = failed()
    assert "at most 500 characters" in one(root, "retry", call, reason="x" * 501).content.decode()
    assert statuses(call) == ["failed"]


@pytest.mark.parametrize(("verb", "permission"), [("retry", "cancel"), ("cancel", "retry")])
def test_each_operation_has_its_own_permission(staff: Callable[..., Client], verb: str, permission: str) -> None:
    client = staff("view_servicecallrecord", f"{permission}_servicecallrecord")
    call = failed() if verb == "retry" else queued()
    before = statuses(call)
    assert one(client, verb, call, confirmed="yes").status_code == 403
    act(client, f"{verb}_selected", call, confirmed="yes")
    assert statuses(call) == before
    page = client.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))).content.decode()
    assert f"{call.pk}/{verb}/" not in page


def test_a_call_offers_buttons_for_what_its_status_allows(root: Client) -> None:
    for call, offered in ((failed(), {"retry"}), (queued(), {"cancel"}), (succeeded(), set())):
        page = root.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))).content.decode()
        assert {verb for verb in ("retry", "cancel") if f"{call.pk}/{verb}/" in page} == offered


def test_operating_needs_the_permission_to_view_as_well(staff: Callable[..., Client]) -> None:
    call = failed()
    assert one(staff("retry_servicecallrecord"), "retry", call, confirmed="yes").status_code == 404
    assert statuses(call) == ["failed"]


def test_an_unknown_call_is_404(root: Client) -> None:
    url = reverse("admin:orchestration_servicecallrecord_retry_call", args=("unknown",))
    assert root.post(url, {"confirmed": "yes"}).status_code == 404
