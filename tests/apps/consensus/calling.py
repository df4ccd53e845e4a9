"""Callers of /v1."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from apps.accounts.models import User
from tests.apps.people import Caller, with_key

V1 = "/v1"


class V1Caller(Caller):
    """JSON requests below /v1."""

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(f"{V1}{path}", query, headers=self.headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        content = {} if body is None else body
        return self.client.post(f"{V1}{path}", content, "application/json", headers=self.headers | sent)


def caller(user: User, **limits: Any) -> V1Caller:
    return V1Caller(**with_key(user, "runs:read", "runs:write", **limits).headers)
