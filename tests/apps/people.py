"""People, and how they talk to the API: over a real session with CSRF enforced, or with a key."""

from __future__ import annotations

import itertools
from typing import Any

from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import UserRole

PASSWORD = "correct-horse-battery"
API = "/api/v1"
_numbers = itertools.count(1)


def person(role: UserRole = UserRole.TRAINEE, **fields: Any) -> User:
    return User.objects.create_user(f"{role}{next(_numbers)}@example.com", PASSWORD, role=role, **fields)


class Caller:
    """JSON requests below /api/v1 with the headers that every request of this caller carries."""

    def __init__(self, **headers: str) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.headers = headers

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(f"{API}{path}", query, headers=self.headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.client.post(
            f"{API}{path}", {} if body is None else body, "application/json", headers=self.headers | headers
        )

    def delete(self, path: str) -> HttpResponse:
        return self.client.delete(f"{API}{path}", headers=self.headers)


def signed_in(user: User) -> Caller:
    """A caller with a session, opened through the API."""
    caller = Caller()
    answer = caller.post("/auth/login", {"email": user.email, "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    caller.headers = {"X-CSRFToken": answer.json()["csrf_token"]}
    return caller


def with_key(user: User, *scopes: str, **limits: Any) -> Caller:
    """A caller with an API key of its own."""
    _, secret = ApiKey.issue(user, "test", scopes, **limits)
    return Caller(Authorization=f"Bearer {secret}")
