"""Requests over WSGI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import httpx2
import pytest
from django.db import connection

from apps.accounts.models import ApiKey, User
from orchestration.models import ServiceCallRecord
from tests.browser.serving import WebServer, serving
from tests.clusters import environment

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import io, threading
from config.wsgi import application

def ask():
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/api/v1/service-calls", "SERVER_NAME": "localhost",
               "SERVER_PORT": "80", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"}
    told = []
    b"".join(application(environ, lambda status, headers: told.append(status)))
    return told[0]

first, beside = ask(), threading.active_count()
start, started = threading.Thread.start, []
threading.Thread.start = lambda thread: (started.append(thread), start(thread))
print(first, ask(), beside, len(started))
"""


def test_a_submit_starts_no_thread_and_no_event_loop(tmp_path: Path) -> None:
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ORCA_VAR_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ASK], env=kept, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["401", "Unauthorized", "401", "Unauthorized", "1", "0"], done.stderr


class WsgiServer(WebServer):
    """Granian over WSGI, as in production."""

    target = ("--interface", "wsgi", "config.wsgi:application")


@pytest.fixture
def post(tmp_path: Path, transactional_db: None) -> Iterator[Any]:
    """`post(path, body, **headers)` to a WSGI server on the test database."""
    owner = User.objects.create_superuser("ann@example.com", "pw")
    secret = ApiKey.issue(owner, "k", ("calls:write", "calls:read", "runs:write"))[1]
    with serving(WsgiServer(environment(tmp_path / "run"), tmp_path / "web.log")) as server:

        def send(path: str, body: object, **headers: str) -> httpx2.Response:
            headers = {"authorization": f"Bearer {secret}", **headers}
            return httpx2.post(f"{server.url}{path}", json=body, headers=headers, timeout=60)

        yield send


def cancel_all() -> None:
    for call in ServiceCallRecord.objects.queued():
        call.cancel()
    connection.close()


@pytest.mark.cluster
def test_a_server_without_an_event_loop_waits_as_it_is_asked(post: Any) -> None:
    call = {"service": "engineapp.default.Triage", "context": {"ticket": "t"}}
    first = post("/api/v1/service-calls", call, **{"idempotency-key": "k"})
    assert (first.status_code, first.json()["status"]) == (202, "queued")
    late = post("/api/v1/service-calls", call, **{"idempotency-key": "k", "prefer": "wait=1"})
    assert (late.status_code, late.headers["idempotent-replayed"]) == (202, "true")
    finishing = Timer(0.5, cancel_all)
    finishing.start()
    done = post("/api/v1/service-calls", call, **{"idempotency-key": "k", "prefer": "wait=50"})
    finishing.join()
    assert (done.status_code, done.json()["status"]) == (200, "cancelled")
    assert {answer.headers["location"] for answer in (first, late, done)} == {first.headers["location"]}
    run = post("/v1/full-review", {"idea": "A bus that comes."}, prefer="wait=1")
    assert (run.status_code, run.headers.get("preference-applied")) == (202, "wait=1"), run.text
