"""A declared operation is on the page of a call, on the list, in bulk runs and in REST, and is declared once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import path, reverse
from ninja import NinjaAPI

from apps.accounts.auth import api_auth
from apps.accounts.models import ApiKey, User
from config.api import on_api_error
from config.urls import urlpatterns
from orchestration import operations as declarations
from orchestration.api.calls import router as calls
from orchestration.api.errors import ApiError
from orchestration.api.operations import operations_router
from orchestration.models import ServiceCallRecord
from orchestration.operations import Operation, OperationResult, declare, operations
from orchestration.types import JsonObject
from persistence.api import router as persistence
from persistence.bulk.worker import work
from persistence.models import BulkRun
from tests.descriptions import documents
from tests.orchestration.factories import failed, queued

LIST = "admin:orchestration_servicecallrecord_changelist"
PAGE = "admin:orchestration_servicecallrecord_change"


def against_hurrying(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.status == "queued" else f"{call.status}; only queued calls can hurry"


def hurry(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    if objection := against_hurrying(call, options):
        return OperationResult(outcome="refused", error=objection)
    ServiceCallRecord.objects.filter(pk=call.pk).update(priority=9)
    return OperationResult(outcome="hurried")


@pytest.fixture
def hurrying(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operation]:
    """A new operation, and the URLs as they are when it is declared before they are loaded."""
    monkeypatch.setattr(declarations, "_declared", dict(declarations._declared))
    operation = declare(
        Operation(
            name="hurry",
            title="Hurry",
            permission="orchestration.retry_servicecallrecord",
            promise="will be taken before the others",
            done="hurried",
            summary="Take a queued call before the others",
            objection=against_hurrying,
            run=hurry,
        )
    )
    api = NinjaAPI(urls_namespace="hurrying", auth=api_auth)
    for router in (calls, persistence, operations_router()):
        api.add_router("", router)
    api.add_exception_handler(ApiError, on_api_error)
    settings.ROOT_URLCONF = (path("admin/", admin.site.urls), path("api/v1/", api.urls), *urlpatterns)
    yield operation


@pytest.fixture
def root(hurrying: Operation) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client


def priority(call: ServiceCallRecord) -> int:
    return ServiceCallRecord.objects.get(pk=call.pk).priority


def test_it_has_a_button_and_a_page(root: Client) -> None:
    call, other = queued(), failed()
    url = reverse("admin:orchestration_servicecallrecord_hurry_call", args=(call.pk,))
    assert url in root.get(reverse(PAGE, args=(call.pk,))).content.decode()
    assert "/hurry/" not in root.get(reverse(PAGE, args=(other.pk,))).content.decode()
    assert "1 call</strong> will be taken before the others" in root.get(url).content.decode()
    root.post(url, {"reason": "a demonstration"})
    assert priority(call) == 9
    assert LogEntry.objects.filter(object_id=call.pk, change_message="Hurry. a demonstration").exists()


def test_it_is_an_action_of_the_list(root: Client) -> None:
    calls = [queued(), queued(), failed()]
    data = {"action": "hurry_selected", "_selected_action": [call.pk for call in calls], "confirmed": "yes"}
    response = root.post(reverse(LIST), data, follow=True)
    told = [str(message) for message in response.context["messages"]]
    assert told == ["2 calls hurried.", "1 call left alone: failed; only queued calls can hurry."]
    assert [priority(call) for call in calls] == [9, 9, 0]


def test_it_runs_in_bulk_over_all_that_match(root: Client) -> None:
    calls = [queued(), queued(), failed()]
    data = {"action": "hurry_selected", "select_across": "1", "_selected_action": ["any"]}
    page = root.post(reverse(LIST), data, follow=True).content.decode()
    run = BulkRun.objects.get()
    assert run.kind == "hurry"
    assert run.forecast == {"will": 2, "will_not": 1, "reasons": [["failed; only queued calls can hurry", 1]]}
    assert "2 calls</strong> will be taken before the others" in page
    root.post(reverse("admin:persistence_run_steer", args=(run.pk, "start")), {"reason": "now"})
    work(run.pk)
    assert dict(run.items.values_list("call_id", "outcome")) == {
        calls[0].pk: "hurried",
        calls[1].pk: "hurried",
        calls[2].pk: "refused",
    }
    history = LogEntry.objects.filter(object_id=calls[0].pk).get()
    assert history.change_message == f"Hurry (bulk run {run.pk}): hurried. now"


def test_it_has_an_endpoint(hurrying: Operation) -> None:
    user = User.objects.create_user("ann@example.com", "pw", role="staff")
    _, secret = ApiKey.issue(user, "ann", ("calls:read", "calls:operate"))
    mine, foreign, ended = queued(requested_by=user), queued(), failed(requested_by=user)

    def ask(call: ServiceCallRecord) -> Any:
        headers = {"authorization": f"Bearer {secret}"}
        return Client().post(f"/api/v1/service-calls/{call.pk}/hurry", headers=headers)

    assert ask(mine).json()["priority"] == 9
    assert ask(foreign).status_code == 404
    refused = ask(ended)
    assert (refused.status_code, refused.json()["code"]) == (409, "hurry_refused")
    assert refused.json()["message"] == "failed; only queued calls can hurry"


def test_a_run_of_an_operation_that_went_fails(root: Client) -> None:
    queued()
    data = {"action": "hurry_selected", "select_across": "1", "_selected_action": ["any"]}
    root.post(reverse(LIST), data)
    run = BulkRun.objects.get()
    root.post(reverse("admin:persistence_run_steer", args=(run.pk, "start")))
    del declarations._declared["hurry"]
    assert work(run.pk) == 0
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "The operation 'hurry' is no longer declared.")
    assert root.get(reverse("admin:persistence_bulkrun_changelist")).status_code == 200
    assert root.get(reverse("admin:persistence_bulkrun_change", args=(run.pk,))).status_code == 200


def test_every_operation_is_in_the_description_of_the_api() -> None:
    paths = documents()[0]["paths"]
    summaries = {operation["summary"] for methods in paths.values() for operation in methods.values()}
    assert {each.summary for each in operations() if not each.is_dry_run} <= summaries


def test_keys_fit_into_the_columns_that_hold_them() -> None:
    assert [operation.key for operation in operations() if len(operation.key) > 16] == []


def test_workers_know_them_without_the_console() -> None:
    """A process that loads neither the admin nor the URLs, as a worker starts."""
    code = (
        "import sys, django; django.setup()\n"
        "from orchestration.operations import operations\n"
        "assert 'config.urls' not in sys.modules\n"
        "print(*sorted(each.key for each in operations()))"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["approve", "cancel", "persist", "preview", "reject", "replay", "retry", "revert"]
