"""Heads, compression, proxies: what the transport does with every request."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest
from pytest_django import Settings

from orchestration.errors import ProviderError
from orchestration.providers.base import ProviderResponse
from orchestration.providers.http.transport import HttpTransport
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.gateway.raw_provider import RESET, Part, RawProvider, http
from tests.orchestration.engine.execution.asking import responses
from tests.orchestration.providers.asking import KEY, provider_at, question
from tests.recording_proxy import RecordingProxy, trusting

ANSWER = orjson.dumps(responses("hello"))
GZIP = "Content-Encoding: gzip"


def ask(*answers: Sequence[Part], times: int = 1, **fields: object) -> tuple[list[ProviderResponse], list[str]]:
    """The responses of one client that asks so often, one after the other, and the heads of its requests."""

    async def send(base_url: str) -> list[ProviderResponse]:
        provider = provider_at(base_url)
        try:
            return [await provider.send(question(**fields)) for _ in range(times)]
        finally:
            await provider.aclose()

    with RawProvider(*answers) as server:
        found = asyncio.run(send(server.base_url))
    return found, [head.decode().lower() for head in server.heads]


def failed(*answer: Part) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(list(answer))
    return caught.value


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_answer_is_read(name: str, pack: Callable[[bytes], bytes]) -> None:
    [response], [head] = ask(http(200, pack(ANSWER), content_encoding=name))
    assert response.text == "hello"
    assert name in head.partition("accept-encoding: ")[2].partition("\r\n")[0]


def test_a_compressed_error_is_read() -> None:
    error = failed(*http(429, gzip.compress(b'{"error": {"message": "slowly"}}'), content_encoding="gzip"))
    assert (error.code, error.body) == ("rate_limited", {"message": "slowly"})


def test_a_compressed_answer_that_is_cut_is_kept_as_it_came() -> None:
    packed = gzip.compress(ANSWER)
    error = failed(
        b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n" % (GZIP.encode(), len(packed)), packed[:40], 0.2, RESET
    )
    assert (error.code, error.sent) == ("connection_error", True)
    assert "$body" in str(error.body)


def test_a_cut_answer_is_counted() -> None:
    body = b'{"usage": {"input_tokens": 7}, "output": ['
    error = failed(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + body, 0.2, RESET)
    assert (error.code, error.retryable, error.sent) == ("connection_error", True, True)
    assert error.body == {"$body": body.decode(), "$encoding": "utf-8"}


def test_headers_that_came_twice_are_joined() -> None:
    head = (
        b"HTTP/1.1 429 X\r\nRetry-After: 2\r\nX-RateLimit-Reset: \xe9\r\nretry-after: 9\r\nContent-Length: 2\r\n\r\n{}"
    )
    error = failed(head)
    assert error.headers == {"retry-after": "2, 9", "x-ratelimit-reset": "\N{LATIN SMALL LETTER E WITH ACUTE}"}
    assert error.retry_after == 9


def test_every_request_of_a_client_has_the_same_head() -> None:
    _, heads = ask(http(200, ANSWER), times=3, request_id="call-1", timeout=7.5)
    assert len(heads) == 3
    assert heads[0] == heads[1] == heads[2]
    for line in (
        "post /v1/responses http/1.1",
        f"authorization: bearer {KEY}",
        "content-type: application/json",
        "x-client-request-id: call-1",
        "user-agent: orchestrai",
    ):
        assert line in heads[0]
    assert heads[0].count("content-length") == 1


def test_requests_at_once_open_one_transport(server: SimulatedProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[HttpTransport] = []
    init = HttpTransport.__init__
    monkeypatch.setattr(
        HttpTransport, "__init__", lambda self, *given, **named: (opened.append(self), init(self, *given, **named))[1]
    )

    async def send() -> None:
        provider = provider_at(server.base_url)
        await asyncio.gather(*(provider.send(question()) for _ in range(20)))
        await provider.aclose()

    asyncio.run(send())
    assert len(opened) == 1


def test_a_client_that_never_sent_can_be_closed(server: SimulatedProviderServer) -> None:
    asyncio.run(provider_at(server.base_url).aclose())
    assert server.request_log() == []


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> RecordingProxy:
    settings.ORCHESTRAI = {"ALLOW_PAID_REQUESTS": True}
    monkeypatch.setattr("orchestration.providers.http.transport.ssl_context", trusting)
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return RecordingProxy(tmp_path)


def outcome(base_url: str, timeout: float = 60) -> ProviderError:
    async def send() -> None:
        provider = provider_at(base_url)
        try:
            await provider.send(question(timeout=timeout))
        finally:
            await provider.aclose()

    with pytest.raises(ProviderError) as caught:
        asyncio.run(send())
    return caught.value


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_of_the_environment_is_asked(
    proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url)
        assert outcome(f"{scheme}://api.example.com/v1").code == "provider_auth"
    assert [seen.host.partition(":")[0] for seen in proxy.seen] == ["api.example.com"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_told_its_own_password_only(
    proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url.replace("://", "://ann:word@"))
        outcome(f"{scheme}://api.example.com/v1")
    [told] = proxy.tunnels or proxy.seen
    assert told.headers["proxy-authorization"] == "Basic YW5uOndvcmQ="
    [seen] = proxy.seen
    assert seen.key == KEY
    if scheme == "https":
        assert "proxy-authorization" not in seen.headers


@pytest.mark.parametrize("exempt", ["192.0.2.0/24", "192.0.2.1", "*"])
def test_hosts_of_no_proxy_are_asked_directly(
    proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    with proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exempt)
        outcome("http://192.0.2.1:9/v1", timeout=0.5)  # nobody answers there
    assert proxy.seen == []
