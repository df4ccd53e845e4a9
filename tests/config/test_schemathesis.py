"""Generated requests against everything that the two API descriptions offer: no answer is a server error, and each
has a status that the description names. The requests are schemathesis's; Django's own client carries them, because a
test's transaction does not outlive the end of a request in another one."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope
from orchestration.models import ServiceCallRecord
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
EXAMPLES = 4
KEPT_AWAY = {"POST /api/v1/auth/logout"}
"""Ends the session of whoever asks; a key has none."""


@pytest.fixture
def secret(monkeypatch: Any) -> str:
    """The key of somebody who may do everything, without a limit on attempts; and rows to find."""
    root = User.objects.create_superuser("root@example.com", "pw")
    monkeypatch.setattr("apps.accounts.throttle.Window.hit", lambda self, identity: 0)
    monkeypatch.setattr("apps.accounts.throttle.Window.full", lambda self, identity: 0)
    succeeded(root), failed(requested_by=root)
    return ApiKey.issue(root, "fuzz", list(Scope))[1]


@pytest.mark.parametrize("where", ["/api/v1/openapi.json", "/v1/openapi.json"])
@pytest.mark.timeout(120)
@pytest.mark.long
def test_no_request_is_answered_with_a_server_error(secret: str, where: str) -> None:
    described = schemathesis.openapi.from_dict(Client().get(where).json())
    wrong: set[str] = set()
    seen: Counter[int] = Counter()
    for offered in described.get_all_operations():
        operation = offered.ok()
        if operation.label not in KEPT_AWAY:
            wrong |= _faults(operation, secret, seen)
    assert not wrong, "\n".join(sorted(wrong))
    assert seen[200] + seen[201] + seen[202] > 5, f"hardly anything got through: {seen}"


def _faults(operation: Any, secret: str, seen: Counter[int]) -> set[str]:
    """What a few generated requests brought to light."""
    found: set[str] = set()
    named = {str(status) for status in operation.definition.raw["responses"]}
    client = Client(raise_request_exception=False)

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if "call_id" in (case.path_parameters or {}):
            case.path_parameters["call_id"] = ServiceCallRecord.objects.values_list("pk", flat=True)[0]
        status = _sent(client, case, secret)
        seen[status] += 1
        if status >= 500 or str(status) not in named:
            found.add(f"{operation.label} answers {status}; it names {', '.join(sorted(named))}. {case.body!r:.300}")

    ask()
    return found


def _sent(client: Client, case: Any, secret: str) -> int:
    """The status that a generated request is answered with."""
    sent = case.as_transport_kwargs(base_url="http://testserver")
    query = urlencode(sent.get("params") or {}, doseq=True)
    headers = {name: value for name, value in (sent.get("headers") or {}).items() if name.lower() != "authorization"}
    headers["Authorization"] = f"Bearer {secret}"
    path = sent["url"].removeprefix("http://testserver")
    if "json" in sent:
        answer = client.generic(
            sent["method"], f"{path}?{query}", json.dumps(sent["json"]), "application/json", headers=headers
        )
    else:
        answer = client.generic(sent["method"], f"{path}?{query}", sent.get("data") or "", headers=headers)
    return answer.status_code
