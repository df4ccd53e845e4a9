"""Who may not is told so before what they sent is looked at, and the descriptions say who may."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope
from tests.apps.accounts.test_throttle import filled, writes
from tests.descriptions import documents

MATRIX = Path(__file__).parents[3] / "matrix" / "rest.txt"
SCOPES = re.compile(r"Scope: ((?:`[a-z:]+`(?: and )?)+)\.")


def described() -> dict[str, list[str]]:
    """The scopes that each operation's description names."""
    found = {}
    for document in documents():
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                named = SCOPES.search(operation.get("description", ""))
                found[f"{method.upper()} {path}"] = re.findall(r"[a-z]+:[a-z]+", named[1]) if named else []
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["{", "[]", '{"idea": 1}', ""])
def test_who_may_not_is_told_before_the_body_is_read(body: str) -> None:
    root = User.objects.create_superuser("root@example.com", "pw")
    named = described()
    caller = Client(headers={"Authorization": f"Bearer {ApiKey.issue(root, 'k', [Scope.GATEWAY_CALL])[1]}"})
    asked = [(method, path) for method, path in writes() if named[f"{method.upper()} {path}"]]
    answers: dict[str, Any] = {
        f"{method} {path}": caller.generic(method.upper(), filled(path), body, "application/json")
        for method, path in asked
    }
    assert len(answers) > 30
    wrong = {name: answer.status_code for name, answer in answers.items() if answer.status_code != 403}
    assert not wrong
    assert {answer.json()["code"] for answer in answers.values()} == {"missing_scope"}


def test_the_scopes_described_are_those_that_let_in() -> None:
    """By the table of what keys with each single scope are answered."""
    rows = dict(line.split(" | ") for line in MATRIX.read_text().splitlines() if not line.startswith("#"))
    let_in = {endpoint: row.split()[9:] for endpoint, row in rows.items()}
    named = described()
    elsewhere = {"POST /api/v1/simulations/{simulation_id}/images"}  # which one depends on what is uploaded
    others = {
        endpoint: (scopes, named[endpoint])
        for endpoint, scopes in let_in.items()
        if scopes[0] not in {"any", "none"} and endpoint not in elsewhere and named[endpoint] != scopes
    }
    assert not others
    assert {endpoint for endpoint in named if named[endpoint]} > {
        "POST /api/v1/simulations/{simulation_id}/commands",
        "POST /v1/runs/{run_id}/revisions",
    }
