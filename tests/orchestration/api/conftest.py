"""Callers of the REST API: a person with a session, or an API key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts.models import ApiKey, User

API = "/api/v1"


class Caller:
    """Sends JSON with an API key; `get`, `post` return Django's test responses."""

    def __init__(self, user: User, secret: str) -> None:
        self.user = user
        self.headers = {"authorization": f"Bearer {secret}"}
        self.client = Client()

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(f"{API}{path}", params, headers=self.headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.post(
            f"{API}{path}",
            body if body is not None else {},
            content_type="application/json",
            headers={**self.headers, **headers},
        )


def permit(user: User, *codenames: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


@pytest.fixture
def caller(db: None) -> Callable[..., Caller]:
    """`caller("name", scopes, permissions)`: someone of the role staff with a key."""

    def make(name: str = "ann", scopes: tuple[str, ...] = ALL, permissions: tuple[str, ...] = ()) -> Caller:
        user = User.objects.create_user(f"{name}@example.com", "pw", role="staff")
        permit(user, *permissions)
        _, secret = ApiKey.issue(user, name, scopes)
        return Caller(user, secret)

    return make


ALL = ("calls:read", "calls:write", "calls:operate", "content:read")
SUBMIT = ("add_servicecallrecord",)


@pytest.fixture
def ann(caller: Callable[..., Caller]) -> Caller:
    """May submit, and sees her own calls."""
    return caller("ann", permissions=SUBMIT)


@pytest.fixture
def operator(caller: Callable[..., Caller]) -> Caller:
    """May see, retry and cancel every call."""
    return caller(
        "operator", permissions=("view_servicecallrecord", "retry_servicecallrecord", "cancel_servicecallrecord")
    )
