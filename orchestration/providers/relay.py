"""A provider's bytes, passed on as they come: for callers that speak the provider's API themselves.

The same clients of ORCA_CONFIG, the same error codes and the same ban on paid requests as `send`; no retries here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import httpx2
import orjson

from orchestration.conf import ClientSettings, engine_settings
from orchestration.errors import InvalidCall, PaidRequestsForbidden, ProviderError
from orchestration.providers.clients import client_settings, provider_key
from orchestration.providers.embeddings import embeddings_payload
from orchestration.providers.openai import (
    CONNECT_SECONDS,
    DEFAULT_BASE_URL,
    KEEPALIVE_SECONDS,
    RULES,
    is_loopback,
    retry_after,
    ssl_context,
)
from orchestration.providers.payloads import chat_chunks, error_payload, model_payload, models_payload
from orchestration.providers.simulation import Outgoing, Simulation
from orchestration.providers.simulator import current_simulation, say_it_is_simulated

STATUS_CODES = {
    401: "provider_auth",
    402: "insufficient_quota",
    403: "provider_forbidden",
    404: "model_not_found",
    408: "timeout",
    409: "provider_conflict",
    429: "rate_limited",
}
"""What an HTTP status of the provider is called in audits; other 4xx are `bad_request`, 5xx `provider_unavailable`."""


def status_code_name(status: int) -> str:
    """The error code of a provider's HTTP status."""
    return STATUS_CODES.get(status, "provider_unavailable" if status >= 500 else "bad_request")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body is still to be read. Reading raises ProviderError when the connection breaks."""

    status: int
    content_type: str
    retry_after: float | None
    """Seconds, when the provider said so."""
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


class Relay(Protocol):
    """One client of ORCA_CONFIG for one event loop."""

    name: str
    """As in prices: `openai`, `simulator`."""
    model: str
    """The client's default model."""

    def request(
        self, method: str, path: str, body: bytes = b"", *, request_id: str = ""
    ) -> AbstractAsyncContextManager[Reply]:
        """Ask `path` below the base URL; `async with` gives the Reply, and its end gives the connection back.

        ProviderError when nothing came; PaidRequestsForbidden. An HTTP error of the provider is a Reply.
        """

    async def aclose(self) -> None:
        """Close connections."""


def open_relay(client_name: str, *, connections: int, idle_seconds: float) -> Relay:
    """A relay to a client of ORCA_CONFIG; raises as `open_provider` does. `idle_seconds`: the longest silence."""
    client = client_settings(client_name)
    if client.provider == "simulator":
        return SimulatorRelay(client)
    return HttpRelay(client, provider_key(client_name, client), connections=connections, idle_seconds=idle_seconds)


class HttpRelay:
    """Over aiohttp, bare: a tenth of what the SDK costs. Make it, use it and close it in one event loop."""

    name = "openai"

    def __init__(self, client: ClientSettings, key: str, *, connections: int, idle_seconds: float) -> None:
        self.model = client.model
        self._base = (client.base_url or DEFAULT_BASE_URL).rstrip("/")
        self._local = is_loopback(self._base)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=ssl_context()),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=idle_seconds),
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "orchestrai",
            },
            trust_env=not self._local,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @asynccontextmanager
    async def request(self, method: str, path: str, body: bytes = b"", *, request_id: str = "") -> AsyncIterator[Reply]:
        if not (self._local or engine_settings().ALLOW_PAID_REQUESTS):
            raise PaidRequestsForbidden
        headers = {"X-Client-Request-Id": request_id} if request_id else None
        url = self._base + path
        with _told_apart():
            response = await self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            )
        try:
            yield Reply(
                response.status,
                response.content_type,
                retry_after(httpx2.Headers(_waits(response.headers))),
                _chunks(response),
            )
        finally:
            response.release() if response.content.at_eof() else response.close()

    async def aclose(self) -> None:
        await self._session.close()


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with _told_apart():
        async for chunk in response.content.iter_any():
            yield chunk


def _waits(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in ("retry-after", "retry-after-ms") if name in headers}


@contextmanager
def _told_apart() -> Iterator[None]:
    """The transport's exceptions as ProviderError, by the rules of `send`."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        rule = next(rule for rule in RULES if isinstance(error, rule.error))
        if isinstance(error, TimeoutError):
            raise ProviderError("No answer in time.", code="timeout", retryable=True, sent=rule.sent) from None
        raise ProviderError(rule.message, code=rule.code, retryable=rule.retryable, sent=rule.sent) from None


class SimulatorRelay:
    """The embedded model, without a network."""

    name = "simulator"

    def __init__(self, client: ClientSettings, simulation: Simulation | None = None) -> None:
        say_it_is_simulated()
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
            await asyncio.sleep(outgoing.latency)
            if outgoing.delivery in {"hang", "trickle"}:
                await asyncio.Event().wait()
            if outgoing.delivery in {"reset", "cut"}:
                simulation.ledger.ended(entry, "broken_off")
                raise ProviderError("The connection broke.", code="connection_error", retryable=True)
            yield _simulated(outgoing)
            simulation.ledger.ended(entry, "answered")
        finally:
            simulation.ledger.ended(entry, "client_left")  # any other ending was entered before

    async def aclose(self) -> None:
        """There are no connections."""

    def _listed(self, path: str) -> object:
        name = path.removeprefix("/models").strip("/")
        return model_payload(name) if name else models_payload([self.model])


def _simulated(outgoing: Outgoing) -> Reply:
    wait = outgoing.headers.get("retry-after")
    streamed = outgoing.streamed is not None
    return Reply(
        outgoing.status,
        "text/event-stream" if streamed else outgoing.content_type,
        float(wait) if wait else None,
        _events(outgoing) if streamed else _parts(outgoing.body),
    )


async def _events(outgoing: Outgoing) -> AsyncIterator[bytes]:
    for chunk in chat_chunks(outgoing.streamed, with_usage=outgoing.stream_usage) if outgoing.streamed else ():
        yield b"data: " + orjson.dumps(chunk) + b"\n\n"
    yield b"data: [DONE]\n\n"


async def _parts(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _whole(value: object, status: int = 200) -> Reply:
    return Reply(status, "application/json", None, _parts(orjson.dumps(value)))


def _embedded(body: bytes) -> Reply:
    try:
        return _whole(embeddings_payload(body))
    except InvalidCall as error:
        return _whole(error_payload(str(error), kind="invalid_request_error"), status=400)
