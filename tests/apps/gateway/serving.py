"""The gateway served by the real web server: in a thread of the test, or as worker processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import uvloop
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.test import override_settings
from granian.constants import Interfaces
from granian.server.embed import Server

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope, UserRole
from apps.gateway.asgi import GatewayThenDjango
from apps.gateway.http.large_bodies import Message, Receive, Send
from apps.gateway.metering.price_cache import prices
from apps.gateway.models import KeyPolicy
from orchestration.engine.worker.process_group import children_of
from orchestration.models import ModelPrice
from tests.apps.people import person
from tests.clusters import database_url, until

MODEL = "gpt-4o-mini"
PATIENCE_SECONDS = 2.0
"""What requests that were answered, or given up, get to end before the server does."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ThreadServer:
    """One server in a thread, on the test's database and under the test's settings."""

    def __init__(self) -> None:
        self.port = free_port()
        self.application: GatewayThenDjango | None = None
        self.clients: list[openai.OpenAI] = []
        self._open = 0
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self._thread.start()
        until(lambda: _listens(self.port), "the gateway listens", 20)

    def stop(self) -> None:
        for each in self.clients:
            each.close()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._open and time.monotonic() < deadline:  # Django closes a request's body after it has answered
            time.sleep(0.01)
        assert self._loop is not None
        assert self._server is not None
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(30)
        assert not self._thread.is_alive(), "the gateway did not stop"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.application = GatewayThenDjango(get_asgi_application())
        self._server = Server(self._counted, port=self.port, interface=Interfaces.ASGI, log_enabled=False)
        await self._server.serve()

    async def _counted(self, scope: Message, receive: Receive, send: Send) -> None:
        assert self.application is not None
        is_request = scope["type"] == "http"
        self._open += is_request
        try:
            await self.application(scope, receive, send)
        finally:
            self._open -= is_request


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def gateway(
    provider_url: str | None = None, *, speaks: str = "openai", clients: dict[str, Any] | None = None, **wanted: Any
) -> Iterator[ThreadServer]:
    """A gateway whose provider is at `provider_url` (else the embedded one) and is of the kind that `speaks` names, or
    that has these `clients`; with GATEWAY settings of its own."""
    named = {"model": MODEL}
    client = {"provider": "simulator"}
    if provider_url:
        client = {"provider": speaks, "base_url": provider_url}
        client |= {} if speaks == "openai" else {"api_key_envvar": "ORCA_PROVIDER_API_KEY"}
    with override_settings(
        ORCA_CONFIG={"MODE": "pod", "CLIENTS": clients} if clients else {"MODE": "single", "CLIENT": client | named},
        GATEWAY={**settings.GATEWAY, "KEY_CACHE_SECONDS": 0, **wanted},
    ):
        server = ThreadServer()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def key(owner: User | None = None, *, policy: dict[str, Any] | None = None, **limits: Any) -> tuple[ApiKey, str]:
    """A key for the gateway and its secret; `policy` are fields of KeyPolicy (no cache), the rest those of ApiKey."""
    scopes = limits.pop("scopes", [Scope.GATEWAY_CALL])
    made, secret = ApiKey.issue(owner or person(UserRole.STAFF), "test", scopes, **limits)
    KeyPolicy.objects.create(api_key=made, **{"cache": "off"} | (policy or {}))
    return made, secret


def client(server: ThreadServer, secret: str, **options: Any) -> openai.OpenAI:
    """The real client, closed with the server."""
    made = openai.OpenAI(api_key=secret, base_url=server.base_url, **{"max_retries": 0, "timeout": 20, **options})
    server.clients.append(made)
    return made


def price(model: str = MODEL, *, per_million: str = "100000") -> None:
    """A price for every provider; as given, a token costs 0.1."""
    for provider in ("openai", "anthropic", "simulator"):
        ModelPrice.objects.create(
            provider=provider,
            model=model,
            input_per_million=Decimal(per_million),
            cached_input_per_million=Decimal(per_million),
            output_per_million=Decimal(per_million),
        )
    prices.known.clear()


def ask(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


class Workers:
    """`granian --workers N` as processes of their own, on the test database."""

    def __init__(self, number: int, provider_url: str, log: Path, **gateway: Any) -> None:
        self.port = free_port()
        self._log = log
        wanted = {"KEY_CACHE_SECONDS": 0, "LEASE_SECONDS": 2, "BEAT_SECONDS": 0.5, **gateway}
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(self.port)]
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*command, "--workers", str(number), "--log-level", "error", "config.asgi:application"],
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "tests.settings",
                    "DATABASE_URL": database_url(),
                    "ORCA_TEST_PROVIDER_URL": provider_url,
                    "ORCA_PROVIDER_API_KEY": "simulated",
                    "ORCA_TEST_GATEWAY": json.dumps(wanted),
                },
                stdout=out,
                stderr=out,
            )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def children(self) -> list[int]:
        """The worker processes."""
        return children_of(self._process.pid)

    def __enter__(self) -> Workers:
        until(lambda: _listens(self.port), "workers listen", 60)
        return self

    def stop(self) -> None:
        """Ask it to stop; the end of the block waits for that."""
        self._process.send_signal(signal.SIGTERM)

    def __exit__(self, *error: object) -> None:
        self.stop()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
