"""The gateway, which is not part of Django's URLs: a key with its scope gets in, and nothing else does."""

from __future__ import annotations

import http.client

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope
from apps.gateway.asgi import MODEL, ROUTES
from tests.apps.gateway.serving import ThreadServer, gateway

pytestmark = pytest.mark.django_db(transaction=True)
ENDPOINTS = [(method, path) for path, methods in ROUTES.items() for method in methods]
ENDPOINTS += [("GET", f"{MODEL}gpt-4o-mini")]


def status(server: ThreadServer, method: str, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection(server.base_url.split("/")[2], timeout=30)
    connection.request(method, path, b"{}" if method == "POST" else None, headers)
    answer = connection.getresponse().status
    connection.close()
    return answer


def test_a_key_with_its_scope_alone_gets_into_the_gateway() -> None:
    root = User.objects.create_superuser("root@example.com", "pw")
    browser = Client()
    browser.force_login(root)
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    secrets = {scope: ApiKey.issue(root, str(scope), [scope])[1] for scope in Scope}
    with gateway() as server:
        for method, path in ENDPOINTS:
            assert status(server, method, path) == 401, path
            assert status(server, method, path, Cookie=cookie) == 401, path
            for scope, secret in secrets.items():
                answer = status(server, method, path, Authorization=f"Bearer {secret}")
                got_in = answer not in {401, 403}
                assert got_in is (scope == Scope.GATEWAY_CALL), (method, path, scope, answer)
