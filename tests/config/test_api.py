"""The OpenAPI page and its document."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client


@pytest.fixture
def document(client: Client) -> Any:
    return client.get("/api/v1/openapi.json").json()


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [(path, verb, operation) for path, item in document["paths"].items() for verb, operation in item.items()]


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/v1/docs").content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    for source in sources:
        assert source.startswith("/static/"), source
        assert finders.find(source.removeprefix("/static/")), source


def test_every_operation_has_a_summary_and_documents_its_errors(document: Any) -> None:
    for path, verb, operation in operations(document):
        assert operation["summary"], (path, verb)
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                reference = response["content"]["application/json"]["schema"]["$ref"]
                assert reference.endswith("/ErrorOut"), (path, verb, status)


def test_the_operations_on_calls_are_there(document: Any) -> None:
    names = {(verb, path) for path, verb, _ in operations(document)}
    base = "/api/v1/service-calls"
    assert {("post", base), ("get", base), ("get", f"{base}/{{call_id}}")} <= names
    for part in ("attempts", "objects", "timeline"):
        assert ("get", f"{base}/{{call_id}}/{part}") in names
    for part in ("retry", "cancel"):
        assert ("post", f"{base}/{{call_id}}/{part}") in names


def test_the_headers_of_submitting_are_documented(document: Any) -> None:
    parameters = document["paths"]["/api/v1/service-calls"]["post"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == {"Idempotency-Key", "Prefer"}
