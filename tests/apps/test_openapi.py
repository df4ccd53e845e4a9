"""The apps' part of the API description is complete."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

OWN_TAGS = {"accounts", "simulations", "chat", "training"}
OPEN = {
    "/api/v1/auth/login",
    "/api/v1/auth/claim",
    "/api/v1/auth/password-reset",
    "/api/v1/auth/password-reset/confirm",
}
"""What strangers may ask for."""


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
    assert len(operations) == 59
    for name, operation in operations:
        assert len(operation["summary"]) > 8, name
        assert "401" in operation["responses"], name


def test_what_names_a_row_in_its_path_may_be_missing(operations: list[tuple[str, dict[str, Any]]]) -> None:
    assert [name for name, operation in operations if "{" in name and "404" not in operation["responses"]] == []


def test_what_takes_a_body_may_refuse_it(operations: list[tuple[str, dict[str, Any]]]) -> None:
    with_a_body = [(name, operation) for name, operation in operations if "requestBody" in operation]
    assert [name for name, operation in with_a_body if "422" not in operation["responses"]] == []


def test_operations_that_cost_or_are_open_to_all_are_throttled(
    operations: list[tuple[str, dict[str, Any]]],
) -> None:
    posts = {name: operation for name, operation in operations if name.startswith("POST")}
    open_to_all = [f"POST {path}" for path in OPEN]
    assert [name for name in open_to_all if name not in posts] == []
    expensive = [name for name, operation in posts.items() if "202" in operation["responses"]]
    assert len(expensive) >= 10
    assert [name for name in [*expensive, *open_to_all] if "429" not in posts[name]["responses"]] == []


def test_every_operation_has_a_name_of_its_own() -> None:
    document = Client().get("/api/v1/openapi.json").json()
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
