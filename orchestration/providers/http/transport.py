"""HTTP for every provider: aiohttp carries each request, to the host of one client and to no other."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import aiohttp
import httpx2

from orchestration.errors import ProviderError
from orchestration.providers.http.addresses import proxy_of
from orchestration.providers.http.contract import HttpReply

CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 20.0
"""Below the idle timeout of common servers: a request on a connection they just closed fails and may be billed."""
AT_ONCE = 16
"""Answers that are read in one turn of the event loop: reading and auditing one takes half a millisecond."""
ENCODINGS = "gzip, deflate"


class Rule(NamedTuple):
    """What an exception means to the engine."""

    error: type[BaseException]
    code: str
    message: str
    retryable: bool = False
    sent: bool = True


RULES = (
    Rule(aiohttp.ConnectionTimeoutError, "timeout", "No connection in time.", retryable=True, sent=False),
    Rule(aiohttp.ServerTimeoutError, "timeout", "No answer in time.", retryable=True),
    Rule(aiohttp.ClientConnectorError, "connection_error", "No connection.", retryable=True, sent=False),
    Rule(aiohttp.ClientError, "connection_error", "The connection broke.", retryable=True),
    Rule(httpx2.DecodingError, "malformed_response", "The answer cannot be decompressed.", retryable=True),
    Rule(TimeoutError, "timeout", "No answer in time.", retryable=True),
)
"""When no answer came. Most specific first: the first rule that fits the exception decides."""
FAILURES = (aiohttp.ClientError, httpx2.DecodingError, TimeoutError)


def transport_error(raised: BaseException) -> ProviderError:
    """An exception of FAILURES as ProviderError, without its text, which may quote the provider, which may quote us."""
    rule = next(rule for rule in RULES if isinstance(raised, rule.error))
    return ProviderError(rule.message, code=rule.code, retryable=rule.retryable, sent=rule.sent)


class Turns:
    """Resumes AT_ONCE of those who wait in each turn of the event loop, so that many answers that come together do not
    keep it from everything else."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return when it is one's turn."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._next, loop)
        self._waiting.append(loop.create_future())
        await self._waiting[-1]

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():  # cancelled meanwhile
                turn.set_result(None)
        if self._waiting:
            loop.call_soon(self._next, loop)


class HttpTransport:
    """Over aiohttp. Bound to the event loop in which it is made."""

    def __init__(self, base_url: str, *, connections: int, tls: Any) -> None:
        self._base = base_url
        self._session = aiohttp.ClientSession(  # without headers: it would show them to a proxy, the key among them
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # what was compressed wrongly, or not whole, is evidence as it came
        )
        self._headers = {"Accept-Encoding": ENCODINGS}
        self._to_proxy = proxy_arguments(base_url, self._headers)
        self._turns = Turns()

    async def post(
        self, path: str, body: bytes, headers: dict[str, str], timeout: float, received: list[bytes]
    ) -> HttpReply:
        """As Transport says. A redirect is an answer: following it could carry key and prompt to another host."""
        try:
            async with self._session.post(
                self._base + path,
                data=body,
                headers=self._headers | headers,
                allow_redirects=False,
                timeout=_timeout(timeout),
                **self._to_proxy,
            ) as response:
                first_byte = time.perf_counter()
                async for part in response.content.iter_any():
                    received.append(part)
            await self._turns.take()
            content = received[0] if len(received) == 1 else b"".join(received)
            if "Content-Encoding" in response.headers:
                content = _decompressed(content, response.raw_headers)
        except FAILURES as error:
            raise transport_error(error) from None
        return HttpReply(response.status, response.raw_headers, content, first_byte)

    async def aclose(self) -> None:
        await self._session.close()


def proxy_arguments(url: str, headers: dict[str, str]) -> dict[str, Any]:
    """The environment's proxy for a URL, as arguments of a request. A proxy reads its password in the request itself,
    among its `headers`, or, when it only tunnels, in that for the tunnel."""
    proxy = proxy_of(url)
    if proxy is None:
        return {}
    if proxy.login is None:
        return {"proxy": proxy.url}
    password = {"proxy-authorization": aiohttp.encode_basic_auth(*proxy.login)}
    if url.startswith("https:"):
        return {"proxy": proxy.url, "proxy_headers": password}
    headers |= password
    return {"proxy": proxy.url}


@lru_cache(maxsize=1)
def ssl_context() -> Any:
    """One per process: reading the certificates costs more than 80 ms."""
    return httpx2.create_ssl_context()


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    """To connect. The caller limits the whole: a limit between two bytes would start again with each."""
    return aiohttp.ClientTimeout(sock_connect=min(seconds, CONNECT_SECONDS))


def _decompressed(content: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    return httpx2.Response(200, headers=list(headers), content=content).content
