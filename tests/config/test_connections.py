"""Connections to PostgreSQL of the real ASGI server without a pool: they are closed with what needed them."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from django.db import connection

from apps.accounts.models import ApiKey, User
from tests.apps.gateway.serving import Workers
from tests.apps.test_stopping import NOBODY, a_simulation
from tests.clusters import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only]
AT_ONCE = 16
OWN = 4
"""The gateway's own threads of one process, and the sockets that are just being closed."""


def sessions() -> int:
    """On this database, without the test's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


class Caller:
    """Somebody with a key, and a simulation to look at."""

    def __init__(self, server: Workers) -> None:
        user = User.objects.create_superuser("ann@example.com", "pw")
        _, secret = ApiKey.issue(user, "k", ["calls:write", "calls:read", "simulations:read"])
        self.headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self.events, _ = a_simulation(user)
        self._port = server.port

    def ask(self, path: str) -> int:
        with closing(self._link()) as link:
            link.request("GET", path, headers=self.headers)
            answer = link.getresponse()
            answer.read()
            return answer.status

    def stream(self) -> http.client.HTTPConnection:
        """An event stream, open, with its first event read."""
        link = self._link()
        link.request("GET", self.events, headers=self.headers)
        answer = link.getresponse()
        while b"data: " not in answer.readline():
            pass
        return link

    def wait(self) -> http.client.HTTPConnection:
        """A request that waits for a call that nobody runs."""
        link = self._link()
        body = json.dumps({"service": "engineapp.default.Triage", "context": {"ticket": "t"}})
        link.request("POST", "/api/v1/service-calls", body, self.headers | {"Prefer": "wait=60"})
        return link

    def _link(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)


@pytest.mark.long
def test_many_requests_leave_no_connection_behind(tmp_path: Path) -> None:
    with Workers(1, NOBODY, tmp_path / "log") as server, ThreadPoolExecutor(AT_ONCE) as threads:
        caller = Caller(server)
        for path in ("/readyz", "/api/v1/service-calls", "/api/v1/auth/me", "/admin/login/"):
            answered = set(threads.map(caller.ask, [path] * 4 * AT_ONCE))
            assert answered == {200}, (path, answered, server.log())
            until(lambda: sessions() <= OWN, f"few are left after {path}", 20)


@pytest.mark.long
def test_open_streams_and_waits_hold_no_connection(tmp_path: Path) -> None:
    with Workers(1, NOBODY, tmp_path / "log") as server, ThreadPoolExecutor(AT_ONCE) as threads:
        caller = Caller(server)
        with ExitStack() as opened:
            for link in threads.map(lambda begin: begin(), [caller.stream, caller.wait] * AT_ONCE):
                opened.enter_context(closing(link))
            assert server.children()
            until(lambda: sessions() <= OWN, "few are open between two looks", 20)
        assert caller.ask("/readyz") == 200
        until(lambda: sessions() <= OWN, "few are left when all have gone", 20)
