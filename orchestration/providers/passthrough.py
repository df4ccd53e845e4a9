"""Passthrough: a provider's bytes as they come, for callers that speak the provider's API themselves.

The same clients of ORCA_CONFIG, the same error codes and the same ban on paid requests as `send`; no retries here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import orjson

from orchestration.conf import ClientSettings, engine_settings
from orchestration.errors import InvalidCall, NotConfigured, PaidRequestsForbidden, ProviderError
from orchestration.providers.base import Api
from orchestration.providers.credentials import Credential
from orchestration.providers.errors import meaning_of
from orchestration.providers.http.addresses import is_loopback
from orchestration.providers.http.transport import (
    CONNECT_SECONDS,
    FAILURES,
    KEEPALIVE_SECONDS,
    proxy_arguments,
    ssl_context,
    transport_error,
)
from orchestration.providers.openai.fake_payloads import error_payload, model_payload, models_payload
from orchestration.providers.registry import client_problems, client_settings, provider_class
from orchestration.providers.retry_after import granted, retry_after
from orchestration.providers.simulator.hashing_embedder import embeddings_payload
from orchestration.providers.simulator.model import Outgoing, Simulation
from orchestration.providers.simulator.provider import current_simulation, say_it_is_simulated
from orchestration.providers.simulator.request_log import Entry
from orchestration.providers.simulator.responder import responders


def status_code_name(status: int) -> str:
    """The error code of a provider's HTTP status."""
    return meaning_of(status).code


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body is still to be read. Reading raises ProviderError when the connection breaks."""

    status: int
    content_type: str
    retry_after: float | None
    """Seconds, when the provider said so, at most RETRY_AFTER_CAP_SECONDS."""
    chunks: AsyncIterator[bytes]

    async def read(self, limit: int) -> bytes:
        """The rest of the body; ProviderError `malformed_response` when it is longer than `limit` bytes."""
        parts: list[bytes] = []
        length = 0
        async for part in self.chunks:
            parts.append(part)
            length += len(part)
            if length > limit:
                raise ProviderError(f"The answer is longer than {limit:,} bytes.", code="malformed_response")
        return b"".join(parts)


class Passthrough(Protocol):
    """One client of ORCA_CONFIG for one event loop."""

    name: str
    """As in prices: `openai`, `simulator`."""
    model: str
    """The client's default model."""
    apis: frozenset[Api]
    """Which APIs its server speaks."""

    def request(
        self, method: str, path: str, body: bytes = b"", *, request_id: str = ""
    ) -> AbstractAsyncContextManager[Reply]:
        """Ask `path` below the base URL; `async with` gives the Reply, and its end gives the connection back.

        ProviderError when nothing came; PaidRequestsForbidden. An HTTP error of the provider is a Reply.
        """

    async def aclose(self) -> None:
        """Close connections."""


def open_passthrough(client_name: str, *, connections: int, idle_seconds: float) -> Passthrough:
    """The passthrough of a client; raises as `open_provider` does, and NotConfigured where the provider speaks none of
    the APIs. `idle_seconds`: the longest silence."""
    client = client_settings(client_name)
    if client.is_simulated:
        return SimulatorPassthrough(client)
    problems = client_problems(client_name, client)
    if problems:
        raise NotConfigured(" ".join(problems))
    return HttpPassthrough(client_name, client, connections=connections, idle_seconds=idle_seconds)


class HttpPassthrough:
    """Over aiohttp, bare. Make it, use it and close it in one event loop."""

    def __init__(self, client_name: str, client: ClientSettings, *, connections: int, idle_seconds: float) -> None:
        cls = provider_class(client)
        self.name = cls.name
        self.model = client.model
        self.apis = cls.passthrough_apis
        self._base = cls.passthrough_base(client).rstrip("/")
        self._local = is_loopback(self._base)
        self._credential = Credential(client_name, client)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=ssl_context()),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=idle_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._headers = {  # not the session's, which a proxy is shown, too
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "orchestrai",
            **cls.passthrough_headers(client),
        }
        self._to_proxy = proxy_arguments(self._base, self._headers)

    @asynccontextmanager
    async def request(self, method: str, path: str, body: bytes = b"", *, request_id: str = "") -> AsyncIterator[Reply]:
        if not (self._local or engine_settings().ALLOW_PAID_REQUESTS):
            raise PaidRequestsForbidden
        headers = self._headers | await self._credential.headers()
        if request_id:
            headers["X-Client-Request-Id"] = request_id
        with _as_provider_errors():
            response = await self._session.request(
                method,
                self._base + path,
                data=body or None,
                headers=headers,
                allow_redirects=False,
                **self._to_proxy,
            )
        try:
            yield Reply(
                response.status,
                response.content_type,
                granted(retry_after(response.headers)),
                _chunks(response),
            )
        finally:
            response.release() if response.content.at_eof() else response.close()

    async def aclose(self) -> None:
        await self._session.close()


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with _as_provider_errors():
        async for chunk in response.content.iter_any():
            yield chunk


@contextmanager
def _as_provider_errors() -> Iterator[None]:
    """The transport's exceptions as ProviderError, by the rules of `send`."""
    try:
        yield
    except FAILURES as error:
        raise transport_error(error) from None


class SimulatorPassthrough:
    """The simulated model, in process."""

    name = "simulator"
    apis = frozenset(Api)

    def __init__(self, client: ClientSettings, simulation: Simulation | None = None) -> None:
        say_it_is_simulated()
        responders()  # NotConfigured now, not at the first answer
        self.model = client.model
        self._simulation = simulation

    @asynccontextmanager
    async def request(self, method: str, path: str, body: bytes = b"", *, request_id: str = "") -> AsyncIterator[Reply]:
        if method == "GET":
            yield _whole(self._listed(path))
            return
        if path == "/embeddings":
            yield _embedded(body)
            return
        simulation = self._simulation or current_simulation()
        entry, outgoing = simulation.answer(path, body, correlation=request_id)
        try:
            await simulation.pass_time(entry, outgoing)
            yield _simulated(simulation, entry, outgoing)
            simulation.request_log.ended(entry, "answered")
        finally:
            simulation.request_log.ended(entry, "client_left")  # any other ending was entered before

    async def aclose(self) -> None:
        """There are no connections."""

    def _listed(self, path: str) -> object:
        name = path.removeprefix("/models").strip("/")
        return model_payload(name) if name else models_payload([self.model])


def _simulated(simulation: Simulation, entry: Entry, outgoing: Outgoing) -> Reply:
    events = outgoing.events
    return Reply(
        outgoing.status,
        outgoing.content_type if events is None else "text/event-stream",
        granted(retry_after(outgoing.headers)),
        _parts(outgoing.body) if events is None else simulation.pieces(entry, outgoing),
    )


async def _parts(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _whole(value: object, status: int = 200) -> Reply:
    return Reply(status, "application/json", None, _parts(orjson.dumps(value)))


def _embedded(body: bytes) -> Reply:
    try:
        return _whole(embeddings_payload(body))
    except InvalidCall as error:
        return _whole(error_payload(str(error), kind="invalid_request_error"), status=400)
