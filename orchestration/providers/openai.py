"""OpenAI and every server that speaks its API. The one module that imports the SDK."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple

import aiohttp
import httpx2
import openai
import orjson
from django.utils import timezone

from orchestration.conf import ClientSettings, engine_settings
from orchestration.errors import PaidRequestsForbidden, ProviderError
from orchestration.providers.base import ProviderRequest, ProviderResponse
from orchestration.providers.surfaces import SURFACES
from orchestration.types import JsonObject

DEFAULT_BASE_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 20.0
"""Below the idle timeout of common servers: a request on a connection they just closed fails and may be billed."""
LONGEST_RETRY_AFTER = 86_400.0
LONGEST_EVIDENCE = 20_000


class Rule(NamedTuple):
    """What an exception of the SDK, or of the transport below it, means to the engine."""

    error: type[BaseException]
    code: str
    message: str
    retryable: bool = False
    sent: bool = True


RULES = (
    Rule(openai.AuthenticationError, "provider_auth", "The provider rejected the API key."),
    Rule(openai.PermissionDeniedError, "provider_forbidden", "The provider does not allow this to the API key."),
    Rule(openai.NotFoundError, "model_not_found", "The provider knows no such model at this address."),
    Rule(openai.ConflictError, "provider_conflict", "The provider reported a conflict.", retryable=True),
    Rule(openai.UnprocessableEntityError, "bad_request", "The provider cannot process this request."),
    Rule(openai.RateLimitError, "rate_limited", "The provider limits the rate of requests.", retryable=True),
    Rule(openai.InternalServerError, "provider_unavailable", "The provider failed.", retryable=True),
    Rule(openai.APIStatusError, "bad_request", "The provider refused the request."),
    # The transport reports a dropped connection as a connect timeout, so what happened below it is asked first.
    Rule(aiohttp.ConnectionTimeoutError, "timeout", "No connection in time.", retryable=True, sent=False),
    Rule(aiohttp.ServerTimeoutError, "timeout", "No answer in time.", retryable=True),
    Rule(aiohttp.ClientConnectorError, "connection_error", "No connection.", retryable=True, sent=False),
    Rule(aiohttp.ClientError, "connection_error", "The connection broke.", retryable=True),
    Rule(httpx2.ConnectTimeout, "timeout", "No connection in time.", retryable=True, sent=False),
    Rule(httpx2.ConnectError, "connection_error", "No connection.", retryable=True, sent=False),
    Rule(openai.APITimeoutError, "timeout", "No answer in time.", retryable=True),
    Rule(openai.APIConnectionError, "connection_error", "The connection broke.", retryable=True),
    Rule(openai.OpenAIError, "provider_error", "The provider's client failed."),
    Rule(Exception, "connection_error", "The connection broke.", retryable=True),
)
"""Most specific first: the first rule that fits the exception, or one that caused it, decides."""

OTHER_STATUS = {
    402: Rule(openai.APIStatusError, "insufficient_quota", "The provider wants to be paid first."),
    408: Rule(openai.APIStatusError, "timeout", "The provider gave up waiting for the request.", retryable=True),
}
"""Statuses for which the SDK has no class of its own."""


class OpenAIProvider:
    """A client of ORCA_CONFIG over the SDK's raw post and its aiohttp transport.

    Bound to the event loop it first sends in; close it there. `http_client` replaces the network (the in-process
    simulator does); its owner is this provider.
    """

    name = "openai"

    def __init__(
        self, client_name: str, client: ClientSettings, *, api_key: str, http_client: httpx2.AsyncClient | None = None
    ) -> None:
        self.client_name = client_name
        self.surface: str = client.surface
        self._surface = SURFACES[client.surface]
        self._key = api_key
        base_url = client.base_url or DEFAULT_BASE_URL
        local = is_loopback(base_url)
        self._free = local or http_client is not None
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=_timeout(client.timeout or engine_settings().REQUEST_TIMEOUT_SECONDS),
            http_client=http_client or _http_client(engine_settings().CONCURRENCY, use_proxies=not local),
        )

    async def send(self, request: ProviderRequest) -> ProviderResponse:
        """Send once. Raises ProviderError, PaidRequestsForbidden; cancelling closes the HTTP request."""
        if not (self._free or engine_settings().ALLOW_PAID_REQUESTS):
            raise PaidRequestsForbidden
        body = self._to_request(request)
        options: openai.RequestOptions = {"timeout": _timeout(request.timeout)}
        if request.request_id:
            options["headers"] = {"X-Client-Request-Id": request.request_id}
        started = time.perf_counter()
        try:
            async with asyncio.timeout(request.timeout):  # the transport's own timeouts restart with every byte
                reply = await self._client.post(
                    self._surface.path, content=body, cast_to=httpx2.Response, options=options
                )
        except TimeoutError:
            raise ProviderError(
                f"No whole answer within {request.timeout:g} s.", code="timeout", retryable=True
            ) from None
        except (openai.OpenAIError, aiohttp.ClientError, httpx2.HTTPError) as error:
            raise self._to_error(error) from None  # the SDK's text may quote the provider, which may quote us
        return self._to_response(reply, started)

    async def aclose(self) -> None:
        await self._client.close()

    def _to_request(self, request: ProviderRequest) -> bytes:
        try:
            return orjson.dumps(self._surface.to_request(request))
        except TypeError as error:  # orjson: lone surrogates, integers beyond 64 bits
            raise ProviderError(
                f"The request cannot be written as JSON: {error}.", code="bad_request", sent=False
            ) from None

    def _to_response(self, reply: httpx2.Response, started: float) -> ProviderResponse:
        raw = _read_json(reply)
        answer = self._surface.to_answer(raw)
        first_byte: float = reply.extensions.get("first_byte", started)
        return ProviderResponse(
            raw=raw,
            text=answer.text,
            refusal=answer.refusal,
            truncated=answer.truncated,
            tool_calls=answer.tool_calls,
            finish_reason=answer.finish_reason,
            provider_response_id=answer.provider_response_id,
            model=answer.model,
            service_tier=answer.service_tier,
            usage=answer.usage,
            http_status=reply.status_code,
            first_byte_ms=round((first_byte - started) * 1000),
            headers=_limits(reply.headers),
        )

    def _to_error(self, error: Exception) -> ProviderError:
        causes = list(_causes(error))
        rule = next(rule for rule in RULES if any(isinstance(cause, rule.error) for cause in causes))
        if not isinstance(error, openai.APIStatusError):
            return ProviderError(rule.message, code=rule.code, retryable=rule.retryable, sent=rule.sent)
        rule = OTHER_STATUS.get(error.status_code, rule)
        out_of_quota = "insufficient_quota" in (error.code, error.type)  # a type may be anything, even unhashable
        named = f", {error.code}" if error.code and re.fullmatch(r"[\w.-]{1,64}", error.code) else ""
        return ProviderError(
            f"{rule.message} (HTTP {error.status_code}{named})",
            code="insufficient_quota" if out_of_quota else rule.code,
            retryable=rule.retryable and not out_of_quota,
            retry_after=retry_after(error.response.headers),
            status=error.status_code,
            body=_evidence(error.body, self._key),
            headers=_limits(error.response.headers),
        )


def is_loopback(url: str) -> bool:
    """Whether this URL's host is this machine, by its address or as `localhost`."""
    host = httpx2.URL(url).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds the provider asks to wait, at most a day; None when it does not say, or nonsense."""
    for name, seconds_per_unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * seconds_per_unit
        except ValueError:
            seconds = _until(value)
        if math.isfinite(seconds):
            return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
    return None


def _until(http_date: str) -> float:
    try:
        return (parsedate_to_datetime(http_date) - timezone.now()).total_seconds()
    except (ValueError, TypeError):  # no date, or one without a zone
        return math.nan


def _http_client(connections: int, *, use_proxies: bool) -> httpx2.AsyncClient:
    return openai.DefaultAioHttpClient(
        limits=httpx2.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEPALIVE_SECONDS
        ),
        verify=ssl_context(),
        trust_env=use_proxies,
        follow_redirects=False,  # a redirect could carry the prompt to another host
        event_hooks={"response": [_note_first_byte]},
    )


@lru_cache(maxsize=1)
def ssl_context() -> Any:
    """One per process: reading the certificates costs more than 80 ms."""
    return httpx2.create_ssl_context()


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


async def _note_first_byte(reply: httpx2.Response) -> None:
    reply.extensions["first_byte"] = time.perf_counter()


def _read_json(reply: httpx2.Response) -> JsonObject:
    content = reply.content
    try:
        raw = orjson.loads(content)
    except orjson.JSONDecodeError:
        raw = None
    if isinstance(raw, dict):
        return _without_nul(raw) if b"\\u0000" in content else raw
    what = "not JSON" if raw is None else "JSON but no object"
    raise ProviderError(
        f"The provider's answer is {what} (HTTP {reply.status_code}, {len(content)} bytes).",
        code="malformed_response",
        retryable=True,
        status=reply.status_code,
        body=_printable(content.decode(errors="replace")[:LONGEST_EVIDENCE]),
    )


def _without_nul(value: Any) -> Any:
    """PostgreSQL stores no NUL character; a paid answer must not be lost to one."""
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _without_nul(item) for key, item in value.items()}
    return value


def _printable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _limits(headers: httpx2.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith(("x-ratelimit-", "retry-after"))}


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _evidence(body: object, key: str) -> object:
    """The provider's error as audits keep it: without our key, and without the request that some servers echo."""
    if isinstance(body, str):
        return _redacted(_printable(body[:LONGEST_EVIDENCE]), key)
    if isinstance(body, list):
        return [_evidence(item, key) for item in body]
    if isinstance(body, dict):
        return {name: _evidence(value, key) for name, value in body.items() if name not in {"input", "ctx", "messages"}}
    return body


def _redacted(text: str, key: str) -> str:
    return re.sub(r"\bsk-[\w*.-]+", "sk-***", text.replace(key, "***"))
