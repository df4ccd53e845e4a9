"""The apps' part of the API description is complete."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

OWN_TAGS = {"accounts", "simulations", "chat"}


@pytest.fixture(scope="module")
def operations() -> list[tuple[str, dict[str, Any]]]:
    document = Client().get("/api/v1/openapi.json").json()
    found = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return [(name, operation) for name, operation in found if OWN_TAGS & set(operation.get("tags", []))]


def test_every_operation_has_a_summary_and_its_errors(operations: list[tuple[str, dict[str, Any]]]) -> None:
    assert len(operations) == 16
    for name, operation in operations:
        assert len(operation["summary"]) > 8, name
        assert "401" in operation["responses"], name


def test_what_names_a_row_in_its_path_may_be_missing(operations: list[tuple[str, dict[str, Any]]]) -> None:
    assert all("404" in operation["responses"] for name, operation in operations if "{" in name)


def test_what_takes_a_body_may_refuse_it(operations: list[tuple[str, dict[str, Any]]]) -> None:
    assert all("422" in operation["responses"] for _, operation in operations if "requestBody" in operation)
