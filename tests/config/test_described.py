"""What the descriptions of the APIs say of event streams and of moments is so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope
from apps.consensus.workflow.start import start_run
from orchestration.operations import RETRY
from persistence.models import BulkRun
from tests.apps.accounts.test_throttle import filled
from tests.descriptions import documents

pytestmark = pytest.mark.django_db


def operations() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Method, path, operation and document of everything that is described."""
    for document in documents():
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                yield method, path, operation, document


@pytest.fixture
def caller() -> Client:
    root = User.objects.create_superuser("root@example.com", "pw")
    return Client(headers={"Authorization": f"Bearer {ApiKey.issue(root, 'k', list(Scope))[1]}"})


def test_every_event_stream_is_described_as_one() -> None:
    streams = {path: operation for _, path, operation, _ in operations() if path.endswith("/events")}
    del streams["/api/v1/invitations/{invitation_id}/events"]  # a list
    assert len(streams) == 2
    for path, operation in streams.items():
        assert list(operation["responses"]["200"]["content"]) == ["text/event-stream"], path
        headers = {known["name"] for known in operation["parameters"] if known["in"] == "header"}
        assert "Last-Event-ID" in headers, path
        assert "422" in operation["responses"], path


def test_the_events_of_a_run_come_as_described(caller: Client) -> None:
    run, _ = start_run(User.objects.get(), idea="An idea")
    address = f"/v1/runs/{run.pk}/events"
    refused = caller.get(address, headers={"Last-Event-ID": "0.5"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_last_event_id")
    answer = caller.get(address)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")


def moments() -> Iterator[tuple[str, str, str]]:
    """Method, path and name of every date-time that a request may hold, as the descriptions have it."""
    for method, path, operation, document in operations():
        for known in operation.get("parameters", []):
            if "date-time" in json.dumps(known):
                yield method, path, known["name"]
        body = json.dumps(operation.get("requestBody", {}))
        for model in re.findall(r"#/components/schemas/(\w+)", body):
            for name, field in document["components"]["schemas"][model].get("properties", {}).items():
                if "date-time" in json.dumps(field):
                    yield method, path, name


@pytest.mark.parametrize("value", [0.5, 1_700_000_000, "0.5", "2026-01-31", "1e9", True])
def test_no_number_is_a_moment_anywhere(caller: Client, value: Any) -> None:
    found = list(moments())
    assert len(found) >= 7
    browser = Client()
    browser.force_login(User.objects.get())
    run = BulkRun.objects.create(kind=RETRY.key, requested_by=User.objects.get())
    for method, path, name in found:
        if method == "get":
            answer = caller.get(path, {name: str(value)})
        else:
            asking = browser if path.endswith("/api-keys") else caller
            answer = asking.generic(
                method.upper(),
                filled(path.replace("{bulk_run_id}", str(run.pk))),
                json.dumps({name: value}),
                "application/json",
            )
        assert answer.status_code == 422, (path, name)
        assert name in json.dumps(answer.json()["details"]), (path, name)
